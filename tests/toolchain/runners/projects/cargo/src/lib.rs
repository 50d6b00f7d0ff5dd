/// Adds one.
///
/// ```
/// assert_eq!(shop::add(1), 2);
/// ```
pub fn add(n: i32) -> i32 {
    n + 1
}

#[cfg(test)]
mod tests {
    #[test]
    fn adds() {
        assert_eq!(super::add(1), 2);
    }
    #[test]
    fn removes() {
        println!("removing");
        assert_eq!(super::add(1), 1, "one left");
    }
    #[test]
    #[ignore = "later"]
    fn later() {}
    #[test]
    #[should_panic(expected = "no")]
    fn panics() {
        panic!("no");
    }
    #[test]
    #[should_panic]
    fn calm() {}
    #[test]
    fn result() -> Result<(), String> {
        Err("so bad".into())
    }
}
