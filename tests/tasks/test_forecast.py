"""`--plan` asks the platform and changes nothing, and says so where it gets no answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from blocks.platforms import memory
from blocks.platforms.memory import MemoryPlatform
from domain.errors import CapabilityError, Unavailable
from domain.place import Capability, Release, Target
from domain.spec import EnvironmentSpec, Spec
from domain.supply import Artifact
from tasks.forecast import foreseen
from tasks.rollout import PAGE

TARGET = Target(service="shop", environment="staging")
SPEC = Spec(environments={"staging": EnvironmentSpec(platform="memory")})


@pytest.fixture
async def platform() -> AsyncIterator[MemoryPlatform]:
    """v1 is stable."""
    there = MemoryPlatform()
    artifact = Artifact(kind="bundle", digest="sha256:1", location="nowhere")
    lease = await there.acquire(TARGET, "ada", 60)
    await there.provision(lease, Release(service="shop", version="v1", artifact=artifact))
    await there.promote(lease, "v1")
    await there.give_back(lease)
    yield there
    memory._WORLDS.clear()


async def test_it_asks_what_is_there_and_only_looks(platform: MemoryPlatform) -> None:
    before = platform.world_state.calls.copy()
    told = await foreseen(SPEC, TARGET, "v2")
    assert told.now == "v1" and told.unknown == "" and told.retired[0].startswith("v1, kept warm")
    changed = {verb for verb, count in platform.world_state.calls.items() if count != before[verb]}
    assert changed == {"inspect", "recall"}


@pytest.mark.parametrize("verb", ["inspect", "recall"])
async def test_a_platform_without_an_answer_is_not_taken_for_an_empty_one(platform: MemoryPlatform, verb: str) -> None:
    platform.fail(verb, Unavailable("no answer"))
    assert (await foreseen(SPEC, TARGET, None)).unknown == "no answer"


async def test_a_notebook_that_cannot_be_read_is_said(platform: MemoryPlatform) -> None:
    platform.world_state.place(TARGET).notebook[PAGE] = "{"
    assert "notebook" in (await foreseen(SPEC, TARGET, None)).unknown


async def test_a_plan_that_the_platform_cannot_carry_out_is_refused(
    platform: MemoryPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryPlatform, "capabilities", frozenset({Capability.RUNS_JOBS}))
    with pytest.raises(CapabilityError, match="cannot do: hosts services"):
        await foreseen(SPEC, TARGET, None)
