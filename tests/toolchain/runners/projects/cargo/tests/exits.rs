#[test]
fn good() {}

#[test]
fn exits() {
    std::process::exit(0);
}
