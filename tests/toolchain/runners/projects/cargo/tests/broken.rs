#[test]
fn broken() {
    nope();
}
