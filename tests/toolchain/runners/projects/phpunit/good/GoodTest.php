<?php

use PHPUnit\Framework\TestCase;

final class GoodTest extends TestCase
{
    public function testGood(): void { $this->assertTrue(true); }
}
