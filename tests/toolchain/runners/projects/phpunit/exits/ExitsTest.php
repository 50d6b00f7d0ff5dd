<?php

use PHPUnit\Framework\TestCase;

final class ExitsTest extends TestCase
{
    public function testGood(): void { $this->assertTrue(true); }
    public function testExits(): void { exit(0); }
}
