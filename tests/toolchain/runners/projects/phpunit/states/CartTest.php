<?php

use PHPUnit\Framework\TestCase;

final class CartTest extends TestCase
{
    public function testAdds(): void { $this->assertSame(2, 1 + 1); }
    public function testRemoves(): void { $this->assertSame(1, 0, 'one left'); }
    public function testThrows(): void { throw new RuntimeException('so bad'); }
    public function testSkipped(): void { $this->markTestSkipped('later'); }
    public function testIncomplete(): void { $this->markTestIncomplete('soon'); }
    public function testRisky(): void { }
    public function testUndefined(): void { nope(); }
    public function numbers(): array { return ['one' => [1], 'two' => [2], [1]]; }

    /** @dataProvider numbers */
    public function testMany(int $n): void { $this->assertLessThan(2, $n); }

    /** @depends testRemoves */
    public function testDepends(): void { $this->assertTrue(true); }
}
