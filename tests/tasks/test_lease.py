"""A rollout whose lease went to somebody else moves nothing any more, and is no PASS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blocks.platforms import memory
from blocks.platforms.memory import MemoryPlatform
from blocks.platforms.protocol import HostsServices
from domain.errors import LockHeld, PlatformError
from domain.place import Lease, Release, Target
from domain.rollout import Action, Rollout, Verb, plan
from domain.spec import EnvironmentSpec, Verify
from domain.supply import Artifact
from domain.verdict import Outcome, Verdict
from tasks import rollout as machinery
from tasks.deploy import new_rollout
from tasks.rollout import carry_out, step

TARGET = Target(service="shop", environment="production")
PLACE = EnvironmentSpec(verify=Verify(bake=0))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(machinery, "PAUSE", 0.0)
    yield
    memory._WORLDS.clear()


async def kept(rollout: Rollout, action: Action, verdict: Verdict, began: float) -> None:
    """Takes no notes."""


async def fine(
    platform: HostsServices, lease: Lease, rollout: Rollout, action: Action, place: EnvironmentSpec
) -> Verdict:
    if action.verb is Verb.VERIFY:
        return Verdict(gate="verify", outcome=Outcome.PASS)
    return await step(platform, lease, rollout, action, place)


async def begun(platform: MemoryPlatform, version: str) -> Rollout:
    state = await platform.inspect(TARGET)
    artifact = Artifact(kind="bundle", digest=f"sha256:{version}", location="nowhere")
    release = Release(service="shop", version=version, artifact=artifact)
    return new_rollout(TARGET, release, state, "blue_green", plan(PLACE, first=state.stable is None, migrates=False))


async def test_a_lease_that_is_lost_while_verifying_leaves_the_new_holders_release_alone() -> None:
    platform = MemoryPlatform(world="lease lost")
    slow = await platform.acquire(TARGET, "slow", 60)

    async def overtaken(
        platform: HostsServices, lease: Lease, rollout: Rollout, action: Action, place: EnvironmentSpec
    ) -> Verdict:
        if action.verb is Verb.VERIFY:
            await platform.give_back(slow)
            other = await platform.acquire(TARGET, "other", 60)
            assert isinstance(platform, MemoryPlatform)
            await carry_out(platform, other, await begun(platform, "v2"), PLACE, take=fine, kept=kept)
        return await fine(platform, lease, rollout, action, place)

    with pytest.raises((PlatformError, LockHeld)):
        await carry_out(platform, slow, await begun(platform, "v1"), PLACE, take=overtaken, kept=kept)
    state = await platform.inspect(TARGET)
    serving = state.of("v2")
    assert state.stable == "v2" and serving is not None and serving.weight == 100
