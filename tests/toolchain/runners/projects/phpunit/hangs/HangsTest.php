<?php

use PHPUnit\Framework\TestCase;

final class HangsTest extends TestCase
{
    public function testHangs(): void { sleep(60); }
}
