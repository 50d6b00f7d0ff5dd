#[test]
fn good() {}

#[test]
fn aborts() {
    std::process::abort();
}
