package shop;

import org.junit.BeforeClass;
import org.junit.Test;

public class BrokenTest {
    @BeforeClass public static void before() { throw new IllegalStateException("no start"); }
    @Test public void never() { }
}
