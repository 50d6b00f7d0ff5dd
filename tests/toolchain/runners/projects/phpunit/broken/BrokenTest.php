<?php

use PHPUnit\Framework\TestCase;

final class BrokenTest extends TestCase
{
    public function testBroken(): void { nope( }
}
