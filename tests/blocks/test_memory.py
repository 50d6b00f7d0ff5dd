"""The shipped fake keeps the contract, and fails exactly as ordered."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.blocks.core import Block

from blocks.platforms.memory import MemoryPlatform
from domain.errors import Rejected, Unavailable
from domain.place import Release
from tests.blocks import bundles
from tests.blocks.block_suite import BlockSuite
from tests.blocks.platform_contract import TARGET, PlatformContract, Subject


class MemorySubject(Subject):
    patience = 0.6

    def __init__(self, folder: Path) -> None:
        self.platform = MemoryPlatform(world=str(uuid4()))
        self._folder = folder

    def release(self, version: str, *, healthy: bool = True, **changes: Any) -> Release:
        self.platform.world_state.behaviours[version].never_healthy = not healthy
        return bundles.release(self._folder, version, **changes)

    async def send(self, number: int) -> Counter[str]:
        return self.platform.world_state.send(TARGET, number)

    async def wait(self, seconds: float) -> None:
        self.platform.world_state.now += seconds

    def now(self) -> float:
        return self.platform.world_state.now


@pytest.fixture
def subject(tmp_path: Path) -> MemorySubject:
    return MemorySubject(tmp_path)


class TestContract(PlatformContract):
    pass


class TestBlock(BlockSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return MemoryPlatform


async def test_the_nth_call_of_a_verb_fails_as_ordered(subject: MemorySubject) -> None:
    platform = subject.platform
    platform.fail("acquire", Unavailable("no answer"), nth=2)
    lease = await platform.acquire(TARGET, "a", 60)
    with pytest.raises(Unavailable):
        await platform.acquire(TARGET, "a", 60)
    assert await platform.acquire(TARGET, "a", 90) != lease
    platform.fail("provision", Rejected("no"))
    with pytest.raises(Rejected):
        await platform.provision(lease, subject.release("v1"))
    assert (await platform.inspect(TARGET)).releases == ()


async def test_an_answer_can_be_lost_after_the_work_was_done(subject: MemorySubject) -> None:
    lease = await subject.platform.acquire(TARGET, "a", 60)
    subject.platform.fail("provision", Unavailable("lost"), done=True)
    with pytest.raises(Unavailable):
        await subject.platform.provision(lease, subject.release("v1"))
    assert (await subject.platform.inspect(TARGET)).of("v1") is not None


async def test_a_version_can_go_bad_after_promotion(subject: MemorySubject) -> None:
    platform, behaviour = subject.platform, subject.platform.world_state.behaviours["v1"]
    behaviour.unhealthy_after_promotion, behaviour.errors_after_promotion = True, 0.25
    lease = await platform.acquire(TARGET, "a", 60)
    await platform.provision(lease, subject.release("v1"))
    assert (await platform.wait_ready(TARGET, "v1", 1))[0]
    await platform.promote(lease, "v1")
    await subject.send(100)
    assert not (await platform.inspect(TARGET)).releases[0].ready
    assert (await platform.traffic(TARGET, "v1", 0)).errors == 25


async def test_two_platforms_of_one_world_see_the_same(subject: MemorySubject) -> None:
    await subject.platform.acquire(TARGET, "a", 60)
    other = MemoryPlatform(world=subject.platform.world)
    assert (await other.inspect(TARGET)).token == 1
    other.forget()
    assert await subject.platform.targets() == []
