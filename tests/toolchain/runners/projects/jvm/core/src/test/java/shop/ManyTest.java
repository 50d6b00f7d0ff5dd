package shop;

import java.util.Arrays;
import org.junit.Assert;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.junit.runners.Parameterized;

@RunWith(Parameterized.class)
public class ManyTest {
    @Parameterized.Parameters public static Iterable<Integer> numbers() { return Arrays.asList(1, 2); }
    @Parameterized.Parameter public int number;
    @Test public void many() { Assert.assertTrue(number < 2); }
}
