public class CalmTest {
    @org.junit.Test public void calm() { }
}
