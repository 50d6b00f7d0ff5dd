import org.junit.Assert;
import org.junit.FixMethodOrder;
import org.junit.Test;
import org.junit.runners.MethodSorters;

@FixMethodOrder(MethodSorters.NAME_ASCENDING)
public class DiesTest {
    @Test public void a() { }
    @Test public void dies() { System.exit(0); }
    @Test public void never() { Assert.fail("never seen"); }
}
