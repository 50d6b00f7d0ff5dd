#[test]
fn good() {}

#[test]
fn hangs() {
    std::thread::sleep(std::time::Duration::from_secs(60));
}
