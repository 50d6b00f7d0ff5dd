#[test]
fn good() {}
