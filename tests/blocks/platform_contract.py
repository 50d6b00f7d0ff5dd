"""What every platform promises, as tests. A platform's own test module gives a `Subject` and inherits the suite."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import pytest

from blocks.platforms.protocol import Collects, HostsServices, ObservesTraffic, RunsJobs, SplitsTraffic
from domain.errors import LockHeld, Rejected
from domain.place import Capability, Job, Lease, Release, Target

TARGET = Target(service="shop", environment="staging")


class Platform(HostsServices, SplitsTraffic, RunsJobs, ObservesTraffic, Protocol):
    """All four at once, as every platform that passes this suite is."""


class Subject(Protocol):
    """A platform under test, and what its world can be made to do."""

    platform: Any
    patience: float
    """Seconds within which a copy has started and was asked how it is."""
    warm: float = 0.8
    """Seconds that are longer than a promotion and a look at what came of it."""
    tolerance: float = 0.01
    """How far a share of 400 requests may be from `nearest`."""

    def nearest(self, weight: int) -> float:
        """The share, 0..1, that the platform gives a release of this weight."""
        return weight / 100

    def release(self, version: str, *, healthy: bool = True, **changes: Any) -> Release: ...

    async def send(self, number: int) -> Counter[str]:
        """Public requests; how many each version answered."""
        ...

    async def wait(self, seconds: float) -> None:
        """Time passes."""
        ...

    def now(self) -> float:
        """Seconds since the epoch, as the platform counts."""
        ...


def splits(subject: Subject) -> bool:
    """Whether two releases can share the requests here; promises about that are skipped where they cannot."""
    return Capability.SPLITS_TRAFFIC in subject.platform.capabilities


def must_split(subject: Subject) -> None:
    if not splits(subject):
        pytest.skip(f"{type(subject.platform).__name__} cannot split traffic, and says so in its capabilities")


class PlatformContract:
    """Every test is a promise of blocks/platforms/protocol.py."""

    async def lease(self, subject: Subject) -> Lease:
        lease: Lease = await subject.platform.acquire(TARGET, "rollout-1", 60.0)
        return lease

    async def stable(self, subject: Subject, lease: Lease, version: str = "v1", **changes: Any) -> Release:
        """A target with this version promoted."""
        release = subject.release(version, **changes)
        await self.provisioned(subject, lease, release)
        await subject.platform.promote(lease, version)
        return release

    async def provisioned(self, subject: Subject, lease: Lease, release: Release) -> None:
        await subject.platform.provision(lease, release)
        ready, why = await subject.platform.wait_ready(TARGET, release.version, 20.0)
        assert ready, why

    async def versions(self, subject: Subject) -> dict[str, int]:
        state = await subject.platform.inspect(TARGET)
        return {one.release.version: one.weight for one in state.releases}

    # Capabilities.

    async def test_capabilities_are_told_truthfully(self, subject: Subject) -> None:
        protocols = {
            Capability.HOSTS_SERVICES: HostsServices,
            Capability.SPLITS_TRAFFIC: SplitsTraffic,
            Capability.RUNS_JOBS: RunsJobs,
            Capability.OBSERVES_TRAFFIC: ObservesTraffic,
        }
        for capability, protocol in protocols.items():
            assert isinstance(subject.platform, protocol) == (capability in subject.platform.capabilities)
        assert subject.release("v1").artifact.kind in subject.platform.artifact_kinds

    # Looking.

    async def test_an_unknown_target_has_no_releases(self, subject: Subject) -> None:
        state = await subject.platform.inspect(Target(service="nobody", environment="nowhere"))
        assert (state.stable, state.releases, state.lease) == (None, (), None)

    async def test_targets_lists_what_is_held(self, subject: Subject) -> None:
        await self.stable(subject, await self.lease(subject))
        assert list(await subject.platform.targets()) == [TARGET]

    # The lease.

    async def test_the_same_holder_renews_and_keeps_its_token(self, subject: Subject) -> None:
        first = await subject.platform.acquire(TARGET, "a", 5.0)
        second = await subject.platform.acquire(TARGET, "a", 500.0)
        assert second.token == first.token and second.expires > first.expires + 400

    async def test_another_holder_is_told_who_has_it_and_until_when(self, subject: Subject) -> None:
        await subject.platform.acquire(TARGET, "rollout-7", 60.0)
        with pytest.raises(LockHeld, match="rollout-7.* until "):
            await subject.platform.acquire(TARGET, "b", 60.0)

    async def test_a_lease_ends_by_itself_and_the_next_token_is_higher(self, subject: Subject) -> None:
        first = await subject.platform.acquire(TARGET, "a", 0.3)
        await subject.wait(0.4)
        assert (await subject.platform.inspect(TARGET)).lease is None
        second = await subject.platform.acquire(TARGET, "b", 60.0)
        assert second.token > first.token

    async def test_a_lease_given_back_is_free_and_giving_it_back_twice_harms_nobody(self, subject: Subject) -> None:
        first = await subject.platform.acquire(TARGET, "a", 60.0)
        await subject.platform.give_back(first)
        second = await subject.platform.acquire(TARGET, "b", 60.0)
        await subject.platform.give_back(first)
        state = await subject.platform.inspect(TARGET)
        assert state.lease == second and state.token == second.token > first.token

    async def test_every_changing_verb_refuses_an_older_token(self, subject: Subject) -> None:
        old = await subject.platform.acquire(TARGET, "a", 60.0)
        release = await self.stable(subject, old)
        await subject.platform.give_back(old)
        await subject.platform.acquire(TARGET, "b", 60.0)
        platform = subject.platform
        verbs: list[Callable[[], Awaitable[object]]] = [
            lambda: platform.provision(old, release),
            lambda: platform.promote(old, "v1"),
            *([lambda: platform.shift(old, "v1", 100)] if splits(subject) else []),
            lambda: platform.abort(old, None),
            lambda: platform.retire(old, "v1"),
            lambda: platform.remember(old, "page", "text"),
            lambda: platform.run(old, release, Job(name="migrate", command=("true",))),
        ]
        for verb in verbs:
            with pytest.raises(Rejected, match="older than"):
                await verb()
        assert await self.versions(subject) == {"v1": 100}

    # The notebook.

    async def test_the_notebook_keeps_what_was_written_last(self, subject: Subject) -> None:
        lease = await self.lease(subject)
        assert await subject.platform.recall(TARGET, "rollout/cursor") is None
        for text in ("one", "two ☃"):
            await subject.platform.remember(lease, "rollout/cursor", text)
        assert await subject.platform.recall(TARGET, "rollout/cursor") == "two ☃"
        assert await subject.platform.recall(TARGET, "other") is None

    # Releasing.

    async def test_a_provisioned_release_has_no_traffic(self, subject: Subject) -> None:
        lease = await self.lease(subject)
        await self.stable(subject, lease)
        await self.provisioned(subject, lease, subject.release("v2"))
        assert await self.versions(subject) == {"v1": 100, "v2": 0}
        assert (await subject.send(20)).keys() == {"v1"}

    async def test_every_verb_can_be_said_twice(self, subject: Subject) -> None:
        lease, platform = await self.lease(subject), subject.platform
        v1, v2 = subject.release("v1", replicas=2), subject.release("v2")
        for _ in range(2):
            await self.provisioned(subject, lease, v1)
        before = await platform.inspect(TARGET)
        await platform.provision(lease, v1)
        assert [copy.pid for copy in (await platform.inspect(TARGET)).releases[0].copies] == [
            copy.pid for copy in before.releases[0].copies
        ]
        for _ in range(2):
            await platform.promote(lease, "v1")
        for _ in range(2):
            await self.provisioned(subject, lease, v2)
            if splits(subject):
                await platform.shift(lease, "v2", 25)
        assert await self.versions(subject) == ({"v1": 75, "v2": 25} if splits(subject) else {"v1": 100, "v2": 0})
        for _ in range(2):
            await platform.abort(lease, "v1")
        assert await self.versions(subject) == {"v1": 100}
        for _ in range(2):
            await platform.retire(lease, "v2")
        for _ in range(2):
            await platform.abort(lease, None)
        state = await platform.inspect(TARGET)
        assert (state.stable, state.releases) == (None, ())

    @pytest.mark.parametrize("weight", [1, 10, 50, 75])
    async def test_requests_are_shared_by_weight(self, subject: Subject, weight: int) -> None:
        must_split(subject)
        lease = await self.lease(subject)
        await self.stable(subject, lease)
        await self.provisioned(subject, lease, subject.release("v2"))
        await subject.platform.shift(lease, "v2", weight)
        since = subject.now()
        await subject.wait(0.25)
        answered = await subject.send(400)
        assert set(answered) <= {"v1", "v2"} and answered.total() == 400
        assert abs(answered["v2"] / 400 - subject.nearest(weight)) <= subject.tolerance
        if Capability.OBSERVES_TRAFFIC in subject.platform.capabilities:
            measured = await subject.platform.traffic(TARGET, "v2", since)
            assert (measured.requests, measured.errors) == (answered["v2"], 0)
            assert 0 < measured.p50 <= measured.p95 <= measured.p99

    async def test_a_release_that_is_not_ready_takes_no_traffic_and_is_not_promoted(self, subject: Subject) -> None:
        lease = await self.lease(subject)
        await self.stable(subject, lease)
        await subject.platform.provision(lease, subject.release("v2", healthy=False))
        ready, why = await subject.platform.wait_ready(TARGET, "v2", subject.patience)
        assert not ready and "500" in why, why
        with pytest.raises(Rejected, match="not ready"):
            await subject.platform.promote(lease, "v2")
        if splits(subject):
            with pytest.raises(Rejected, match="not ready"):
                await subject.platform.shift(lease, "v2", 10)
        assert (await self.versions(subject))["v1"] == 100
        assert (await subject.send(10)).keys() == {"v1"}

    async def test_what_was_never_provisioned_is_rejected(self, subject: Subject) -> None:
        lease, platform = await self.lease(subject), subject.platform
        await self.stable(subject, lease)
        shifted = [platform.shift(lease, "v9", 5)] if splits(subject) else []
        for verb in (platform.promote(lease, "v9"), platform.abort(lease, "v9"), *shifted):
            with pytest.raises(Rejected, match="v9"):
                await verb
        assert (await platform.wait_ready(TARGET, "v9", 0.1))[0] is False
        await platform.retire(lease, "v9")
        assert await self.versions(subject) == {"v1": 100}

    async def test_a_weight_that_is_no_share_is_rejected(self, subject: Subject) -> None:
        must_split(subject)
        lease = await self.lease(subject)
        await self.stable(subject, lease)
        await self.provisioned(subject, lease, subject.release("v2"))
        for weight in (-1, 101):
            with pytest.raises(Rejected, match=str(weight)):
                await subject.platform.shift(lease, "v2", weight)

    async def test_promotion_keeps_the_old_release_warm_until_its_time(self, subject: Subject) -> None:
        lease, platform = await self.lease(subject), subject.platform
        await self.stable(subject, lease)
        await self.provisioned(subject, lease, subject.release("v2", warm=subject.warm))
        await platform.promote(lease, "v2")
        state = await platform.inspect(TARGET)
        assert state.stable == "v2" and await self.versions(subject) == {"v1": 0, "v2": 100}
        old = state.of("v1")
        assert old is not None and old.ready and old.warm_until is not None
        assert (await subject.send(10)).keys() == {"v2"}
        for _ in range(60 + round(10 * subject.warm)):
            await subject.wait(0.1)
            if await self.versions(subject) == {"v2": 100}:
                break
        assert await self.versions(subject) == {"v2": 100}

    async def test_the_release_with_the_traffic_is_not_retired(self, subject: Subject) -> None:
        lease = await self.lease(subject)
        await self.stable(subject, lease)
        with pytest.raises(Rejected, match="traffic"):
            await subject.platform.retire(lease, "v1")

    @pytest.mark.parametrize("state", ["provisioned", "not ready", "shifted", "promoted", "stable only"])
    async def test_abort_goes_back_from_every_state(self, subject: Subject, state: str) -> None:
        if state == "shifted":
            must_split(subject)
        lease, platform = await self.lease(subject), subject.platform
        await self.stable(subject, lease)
        if state == "not ready":
            await platform.provision(lease, subject.release("v2", healthy=False))
        elif state != "stable only":
            await self.provisioned(subject, lease, subject.release("v2"))
        if state == "shifted":
            await platform.shift(lease, "v2", 50)
        if state == "promoted":
            await platform.promote(lease, "v2")
        await platform.abort(lease, "v1")
        after = await platform.inspect(TARGET)
        assert after.stable == "v1" and await self.versions(subject) == {"v1": 100}
        assert after.releases[0].warm_until is None
        assert await subject.send(20) == Counter(v1=20)

    async def test_an_aborted_first_release_leaves_nothing(self, subject: Subject) -> None:
        lease = await self.lease(subject)
        await self.provisioned(subject, lease, subject.release("v1"))
        await subject.platform.abort(lease, None)
        state = await subject.platform.inspect(TARGET)
        assert (state.stable, state.releases) == (None, ())

    async def test_an_earlier_version_comes_back_from_its_bundle(self, subject: Subject) -> None:
        lease, platform = await self.lease(subject), subject.platform
        first = await self.stable(subject, lease)
        await self.stable(subject, lease, "v2")
        await platform.retire(lease, "v1")
        with pytest.raises(Rejected, match="v1"):
            await platform.abort(lease, "v1")
        await self.provisioned(subject, lease, first)
        await platform.promote(lease, "v1")
        assert (await subject.send(10)).keys() == {"v1"}

    # What is left over.

    async def test_what_a_target_needs_is_no_garbage(self, subject: Subject) -> None:
        """The stable release, a candidate, one that is kept warm: collecting takes none of them."""
        if not isinstance(subject.platform, Collects):
            pytest.skip("leaves nothing over that it could collect")
        lease = await self.lease(subject)
        await self.stable(subject, lease)
        await self.stable(subject, lease, "v2")
        await self.provisioned(subject, lease, subject.release("v3"))
        assert list(await subject.platform.garbage()) == list(await subject.platform.collect()) == []
        assert await self.versions(subject) == {"v1": 0, "v2": 100, "v3": 0}
        assert (await subject.send(10)).keys() == {"v2"}

    # Jobs.

    async def test_a_job_runs_with_the_releases_code(self, subject: Subject) -> None:
        lease = await self.lease(subject)
        job = Job(name="migrate", command=("python", "-S", "-c", "print('done')"))
        for _ in range(2):
            result = await subject.platform.run(lease, subject.release("v1"), job)
            assert (result.exit_code, result.output.strip()) == (0, "done")
        assert (await subject.platform.inspect(TARGET)).releases == ()

    async def test_callers_at_once_agree_on_one_holder(self, subject: Subject) -> None:
        answers = await asyncio.gather(
            *(subject.platform.acquire(TARGET, f"holder-{n}", 60.0) for n in range(8)), return_exceptions=True
        )
        assert sum(isinstance(answer, Lease) for answer in answers) == 1
        assert sum(isinstance(answer, LockHeld) for answer in answers) == 7
