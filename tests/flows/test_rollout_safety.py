"""Whatever fails, and whenever it is killed: all traffic ends on a healthy release, and running again converges."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import itertools

import pytest

from blocks.platforms import memory
from blocks.platforms.memory import MemoryPlatform
from blocks.platforms.memory_world import World
from blocks.platforms.protocol import HostsServices
from domain.errors import LockHeld, PlatformError, Rejected, TesError, Unavailable
from domain.place import Lease, Release, Target
from domain.rollout import Action, Rollout, Status, abort, plan
from domain.spec import EnvironmentSpec, Step, Verify
from domain.supply import Artifact
from domain.verdict import Verdict
from tasks import rollout as machinery
from tasks.deploy import new_rollout
from tasks.lease import TTL
from tasks.rollback import roll_back
from tasks.rollout import carry_out, unfinished
from tests.flows.asked_of_memory import quick  # noqa: F401 - a fixture

TARGET = Target(service="shop", environment="production")
CANARY = EnvironmentSpec(
    strategy="canary", steps=(Step(weight=20, bake=0), Step(weight=60, bake=0)), verify=Verify(bake=0)
)
AT_ONCE = EnvironmentSpec(strategy="blue_green", verify=Verify(bake=0))
VERBS = ("provision", "wait_ready", "shift", "promote", "abort", "remember", "recall", "inspect", "traffic")
ERRORS = (Unavailable("no answer"), Rejected("no"), PlatformError("it broke"))
GOOD, NEVER, SICK, WRONG = "good", "never healthy", "sick after promotion", "errors after promotion"
_worlds = itertools.count()


def release(version: str) -> Release:
    artifact = Artifact(kind="bundle", digest=f"sha256:{version}", location="nowhere")
    return Release(service=TARGET.service, version=version, artifact=artifact, replicas=2)


async def world_with(behaviour: str) -> MemoryPlatform:
    """v1 is stable and healthy, v2 behaves so."""
    platform = MemoryPlatform(world=f"safety {next(_worlds)}")
    v2 = platform.world_state.behaviours["v2"]
    v2.never_healthy = behaviour == NEVER
    v2.unhealthy_after_promotion = behaviour == SICK
    v2.errors_after_promotion = 1.0 if behaviour == WRONG else 0.0
    await release_it(platform, release("v1"), AT_ONCE, "first")
    assert traffic(platform) == {"v1": 100}
    return platform


async def kept(rollout: Rollout, action: Action, verdict: Verdict, began: float) -> None:
    """Takes no notes."""


async def begun(platform: HostsServices, lease: Lease, wanted: Release, place: EnvironmentSpec) -> Rollout:
    """As tasks/deploy: what was left behind is taken up, or taken back when it is of another release."""
    left = await unfinished(platform, lease)
    if left is not None and left.release.version == wanted.version and left.status is Status.PROGRESSING:
        return left
    if left is not None:
        await carry_out(platform, lease, abort(left, "left behind"), place, kept=kept)
    state = await platform.inspect(TARGET)
    return new_rollout(TARGET, wanted, state, place.strategy, plan(place, first=state.stable is None, migrates=False))


async def release_it(platform: MemoryPlatform, wanted: Release, place: EnvironmentSpec, holder: str) -> Rollout:
    lease = await platform.acquire(TARGET, holder, TTL)
    over = await carry_out(platform, lease, await begun(platform, lease, wanted, place), place, kept=kept)
    await platform.give_back(lease)
    return over


def traffic(platform: MemoryPlatform) -> dict[str, int]:
    """The shares as they are, not as the platform tells them."""
    hosted = platform.world_state.places[TARGET].hosted
    return {version: one.weight for version, one in hosted.items() if one.weight}


def ill(platform: MemoryPlatform) -> set[str]:
    """The releases that ought to have no traffic."""
    world = platform.world_state
    return {
        version
        for version, one in world.places[TARGET].hosted.items()
        if not one.seen(world.behaviours[version]).ready
        or (one.promoted and world.behaviours[version].errors_after_promotion)
    }


@pytest.mark.parametrize("behaviour", [GOOD, NEVER, SICK, WRONG])
@pytest.mark.parametrize("place", [CANARY, AT_ONCE], ids=["canary", "blue_green"])
@pytest.mark.parametrize("verb", VERBS)
async def test_no_single_failure_leaves_traffic_on_a_bad_release(
    behaviour: str, place: EnvironmentSpec, verb: str
) -> None:
    """Every verb, at each of its calls, failing once in each way, before or after its work was done."""
    for error, done, nth in itertools.product(ERRORS, (False, True), range(1, 7)):
        platform = await world_with(behaviour)
        platform.fail(verb, error, nth=nth, done=done)
        told: object = None
        try:
            told = (await release_it(platform, release("v2"), place, "second")).status
        except TesError as raised:
            told = raised
        case = f"{type(error).__name__} at call {nth}{' after its work' if done else ''}: {told}"
        shares = traffic(platform)
        assert sum(shares.values()) == 100, case
        assert not ill(platform) & shares.keys(), f"{case}: {shares}"
        if told is not Status.HALTED:
            assert len(shares) == 1, f"{case}: {shares}"
            if told is Status.PROMOTED:
                assert shares == {"v2": 100}, case
        if platform.world_state.failures:  # there is no such call
            continue
        platform.world_state.now += TTL + 1
        again = await release_it(platform, release("v3"), place, "third")
        assert again.status is Status.PROMOTED and traffic(platform) == {"v3": 100}, case


@pytest.mark.parametrize("behaviour", [GOOD, NEVER, SICK, WRONG])
@pytest.mark.parametrize("verb", ["shift", "promote", "remember", "recall", "inspect", "traffic"])
@pytest.mark.parametrize("first", range(1, 6))
async def test_a_verb_that_goes_on_failing_ends_at_the_old_or_the_new_release(
    behaviour: str, verb: str, first: int
) -> None:
    platform = await world_with(behaviour)
    for nth in range(first, first + machinery.TRIES):
        platform.fail(verb, Unavailable("no answer"), nth=nth)
    with contextlib.suppress(TesError):  # it says so; what matters is where the traffic is
        await release_it(platform, release("v2"), CANARY, "second")
    shares = traffic(platform)
    assert shares in ({"v1": 100}, {"v2": 100}), shares
    assert not ill(platform) & shares.keys()


class Killed(MemoryPlatform):
    """Keeps the world as it is after each call: what a process that is killed there leaves behind."""

    _block_type_slug = "memory-platform-killed"  # Prefect would take it for MemoryPlatform itself

    async def _called(self, verb: str) -> TesError | None:
        if verb not in ("inspect", "recall", "traffic", "wait_ready"):
            LEFT.append(copy.deepcopy(self.world_state))
        return await super()._called(verb)


LEFT: list[World] = []


@pytest.mark.parametrize("behaviour", [GOOD, NEVER, SICK, WRONG])
@pytest.mark.parametrize("place", [CANARY, AT_ONCE], ids=["canary", "blue_green"])
async def test_killed_anywhere_it_serves_and_running_again_converges(behaviour: str, place: EnvironmentSpec) -> None:
    LEFT.clear()
    platform = await world_with(behaviour)
    await release_it(Killed(world=platform.world), release("v2"), place, "second")
    expected = traffic(platform)
    assert expected == ({"v2": 100} if behaviour == GOOD else {"v1": 100})
    assert len(LEFT) > 5
    for left in LEFT:
        again = MemoryPlatform(world=f"killed {next(_worlds)}")
        memory._WORLDS[again.world] = copy.deepcopy(left)
        assert sum(traffic(again).values()) == 100
        if left.places[TARGET].lease:
            with pytest.raises(LockHeld):
                await again.acquire(TARGET, "third", TTL)
        again.world_state.now += TTL + 1
        await release_it(again, release("v2"), place, "third")
        assert traffic(again) == expected
        assert await again.recall(TARGET, machinery.PAGE) and not (await unfinished_of(again))

        other = MemoryPlatform(world=f"killed {next(_worlds)}")
        memory._WORLDS[other.world] = copy.deepcopy(left)
        other.world_state.now += TTL + 1
        await release_it(other, release("v3"), place, "fourth")
        assert traffic(other) == {"v3": 100}

        back = MemoryPlatform(world=f"killed {next(_worlds)}")
        memory._WORLDS[back.world] = copy.deepcopy(left)
        back.world_state.now += TTL + 1
        await back_to(back, "v1", place)
        assert traffic(back) == {"v1": 100}


async def unfinished_of(platform: MemoryPlatform) -> Rollout | None:
    return await unfinished(platform, await platform.acquire(TARGET, "a reader", TTL))


async def back_to(platform: MemoryPlatform, version: str, place: EnvironmentSpec) -> None:
    lease = await platform.acquire(TARGET, "on call", TTL)
    await roll_back(platform, lease, "back", place, to=version, kept=kept)


@pytest.mark.parametrize("behaviour", [GOOD, WRONG])
async def test_interrupted_at_any_moment_it_goes_back_or_has_arrived(behaviour: str) -> None:
    """Ctrl-C while any verb is at work: the verb may have been done, its answer is not waited for."""
    for verb, done in itertools.product(
        ("provision", "wait_ready", "shift", "promote", "remember", "traffic"), (True, False)
    ):
        for nth in range(1, 8):
            platform = Interrupted(world=(await world_with(behaviour)).world, verb=verb, nth=nth, done=done)
            try:
                await release_it(platform, release("v2"), CANARY, "second")
            except asyncio.CancelledError:
                platform.world_state.now += TTL + 1
                assert not (await unfinished_of(platform))
            assert traffic(platform) in ({"v1": 100}, {"v2": 100})


class Interrupted(MemoryPlatform):
    """The nth call of a verb is where Ctrl-C comes."""

    _block_type_slug = "memory-platform-interrupted"
    verb: str
    nth: int
    done: bool
    seen: int = 0

    async def _called(self, verb: str) -> TesError | None:
        await asyncio.sleep(0)  # where a cancellation is delivered
        late = await super()._called(verb)
        if verb == self.verb:
            self.seen += 1
            if self.seen == self.nth:
                if self.done:
                    asyncio.current_task().cancel()  # type: ignore[union-attr]  # told at the next await
                else:
                    raise asyncio.CancelledError
        return late
