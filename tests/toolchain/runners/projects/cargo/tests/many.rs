macro_rules! many { ($($name:ident: $n:expr,)*) => { $(#[test] fn $name() { assert!($n < 2); })* } }
many! { one: 1, two: 2, }
