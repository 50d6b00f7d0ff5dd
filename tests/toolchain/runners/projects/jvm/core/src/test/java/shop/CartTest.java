package shop;

import static org.junit.Assert.assertEquals;

import org.junit.Assume;
import org.junit.Ignore;
import org.junit.Test;

public class CartTest {
    @Test public void adds() { assertEquals(2, 1 + 1); }
    @Test public void removes() { assertEquals("one left", 1, 0); }
    @Test public void throwsUp() { throw new IllegalStateException("so bad"); }
    @Test @Ignore("later") public void skipped() { }
    @Test public void assumed() { Assume.assumeTrue("not here", false); }
}
