import java.io.File;
import java.io.IOException;
import org.junit.Assert;
import org.junit.Test;

public class FlakyTest {
    @Test public void flaky() throws IOException { Assert.assertFalse("the first time", new File("again").createNewFile()); }
}
