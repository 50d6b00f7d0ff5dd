public class XTest {
    @org.junit.Test public void x() { nope(); }
}
