"""The verbs of a platform that has no agent of its own: each reads what was decided, decides, swaps it for the next
decision, and makes what runs agree.

A platform names its `place`: how a charter is read and swapped there, and how copies are started, seen and ended. The
verbs, their refusals and their words come from here. What was decided and not done, because a client was killed, is
done by whoever looks next.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from prefect.blocks.core import Block

from blocks.platforms.secret_references import resolve
from domain.charter import Charter, Placed
from domain.errors import CapabilityError, Unavailable
from domain.place import CopyState, Job, JobResult, Lease, Release, ReleaseState, ServiceState, Target

_TRIES = 20  # how often a change is decided anew because another has come before


class Stale(Exception):
    """Somebody else has changed the charter meanwhile: read it again."""


@dataclass(frozen=True)
class Seen:
    """What a place holds at this moment.

    `copies` are those of each version; `troubles` say why a version will not become healthy. `agrees`: requests are
    shared as the charter says. `since`: when a version's grace began, for places where a copy may take its time until
    it runs; when its copies were asked for, where none is given.
    """

    charter: Charter
    copies: Mapping[str, Sequence[CopyState]] = field(default_factory=dict)
    troubles: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    agrees: bool = True
    since: Mapping[str, float] = field(default_factory=dict)

    def ready(self) -> list[str]:
        """The versions whose copies are all there and healthy."""
        return [one.release.version for one in self.charter.releases if self.state(one, 0.0).ready]

    def alive(self) -> list[str]:
        """The versions that have a healthy copy."""
        return [version for version, copies in self.copies.items() if any(copy.healthy for copy in copies)]

    def state(self, placed: Placed, now: float) -> ReleaseState:
        """How one release is. It has failed when a copy cannot come up, or its grace is over."""
        release = placed.release
        copies, trouble = tuple(self.copies.get(release.version, ())), self.troubles.get(release.version, "")
        sick = [copy.reason for copy in copies if not copy.healthy]
        if len(copies) < release.replicas:
            sick.append(f"{len(copies)} of {release.replicas} copies are there")
        over = now - self.since.get(release.version, placed.since) > release.health.grace
        return ReleaseState(
            release=release,
            weight=placed.weight,
            copies=copies,
            failed=bool(sick) and (over or bool(trouble)),
            reason=(trouble or sick[0]) if sick else "",
            warm_until=placed.warm_until,
        )


class Place(Protocol):
    """One target on one platform. `seats` is how many copies it can have in all."""

    target: Target
    seats: int

    async def begun(self) -> bool:
        """Whether there is a charter."""
        ...

    async def begin(self) -> None:
        """There is one, empty if there was none. Harmless said twice, or by several at once."""
        ...

    async def prepare(self, release: Release) -> None:
        """Refuses what cannot be run here, before anything moves."""
        ...

    async def charter(self) -> Charter:
        """What was decided last."""
        ...

    async def look(self) -> Seen:
        """That, and what runs."""
        ...

    async def swap(self, seen: Seen, charter: Charter) -> None:
        """This charter takes the place of the one that was seen, and requests are shared as it says when this returns.

        What runs need only be told where the releases, their weights or stable differ, or what was seen did not agree.
        Stale when another has come before; Unavailable when it was decided and could not be done: saying it again does.
        """
        ...

    async def start(self, placed: Placed, secrets: Mapping[str, str]) -> None:
        """Its copies run or are starting. One that has ended is put back."""
        ...

    async def tidy(self) -> None:
        """What the charter does not want is drained and gone."""
        ...

    async def end(self) -> None:
        """Nothing of the target is left."""
        ...

    async def run(self, release: Release, job: Job, secrets: Mapping[str, str]) -> JobResult:
        """As RunsJobs.run."""
        ...


class Chartered(Block, ABC):
    """HostsServices, Disposes and RunsJobs, over a place."""

    artifact_kinds: ClassVar[tuple[str, ...]] = ("image",)
    poll: ClassVar[float] = 0.2
    """Seconds between two looks at readiness."""

    @property
    def pulls(self) -> bool:
        """As PullsImages.pulls."""
        return False

    @abstractmethod
    def place(self, target: Target) -> Place:
        """The target there, begun or not."""

    @abstractmethod
    async def targets(self) -> Sequence[Target]:
        """As HostsServices.targets."""

    async def acquire(self, target: Target, holder: str, ttl: float) -> Lease:
        """As HostsServices.acquire. The first one begins the target."""
        place = self.place(target)
        await place.begin()
        charter = await noted(place, lambda charter: charter.acquired(holder, ttl, time.time()))
        assert charter.lease is not None
        return charter.lease

    async def give_back(self, lease: Lease) -> None:
        """As HostsServices.give_back."""
        place = self.place(lease.target)
        if await place.begun():
            await noted(place, lambda charter: charter.given_back(lease))

    async def inspect(self, target: Target) -> ServiceState:
        """As HostsServices.inspect. What the charter no longer wants, because its time is over, goes now; what was
        decided by a client that was killed before it was heard is said again."""
        place = self.place(target)
        if not await place.begun():
            return ServiceState(target=target)
        seen = await place.look()
        if seen.charter.cooled(time.time()) is not seen.charter or not seen.agrees:
            await changed(place, lambda seen: seen.charter.cooled(time.time()))
            await place.tidy()
            seen = await place.look()
        charter, now = seen.charter, time.time()
        return ServiceState(
            target=target,
            stable=charter.stable,
            releases=tuple(seen.state(one, now) for one in charter.releases),
            address=seen.address if charter.stable else "",
            lease=charter.lease if charter.lease is not None and charter.lease.expires > now else None,
            token=charter.token,
        )

    async def provision(self, lease: Lease, release: Release) -> None:
        """As HostsServices.provision. SpecError when a secret is missing, CapabilityError for a bundle."""
        self._must_take(release)
        secrets = await resolve(release.secrets, "release.secrets")
        place = self.place(lease.target)
        await place.begin()
        (await place.charter()).fenced(lease)
        await place.prepare(release)
        charter = await changed(
            place, lambda seen: seen.charter.fenced(lease).provisioned(release, place.seats, time.time())
        )
        placed = charter.of(release.version)
        assert placed is not None
        await place.start(placed, secrets)
        await place.tidy()

    async def wait_ready(self, target: Target, version: str, timeout: float) -> tuple[bool, str]:
        """As HostsServices.wait_ready."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                state = (await self.inspect(target)).of(version)
            except Unavailable as error:
                if time.monotonic() >= deadline:
                    return False, f"not ready within {timeout:g} s: {error.message}"
                await asyncio.sleep(self.poll)
                continue
            if state is None:
                return False, f"release {version} of {target} is not there"
            healthy = sum(copy.healthy for copy in state.copies)
            count = f"{healthy} of {state.release.replicas} copies healthy"
            if state.ready:
                return True, count
            if state.failed:
                return False, f"{count}: {state.reason}"
            if time.monotonic() >= deadline:
                return False, f"not ready within {timeout:g} s: {count}: {state.reason}"
            await asyncio.sleep(self.poll)

    async def promote(self, lease: Lease, version: str) -> None:
        """As HostsServices.promote."""
        place = self.place(lease.target)
        await changed(place, lambda seen: seen.charter.fenced(lease).promoted(version, seen.ready(), time.time()))
        await place.tidy()

    async def abort(self, lease: Lease, stable: str | None) -> None:
        """As HostsServices.abort. Traffic is back before the candidate is drained and this returns."""
        place = self.place(lease.target)
        await changed(place, lambda seen: seen.charter.fenced(lease).aborted(stable, seen.alive(), time.time()))
        await place.tidy()

    async def retire(self, lease: Lease, version: str) -> None:
        """As HostsServices.retire."""
        place = self.place(lease.target)
        await changed(place, lambda seen: seen.charter.fenced(lease).retired(version))
        await place.tidy()

    async def remember(self, lease: Lease, key: str, text: str) -> None:
        """As HostsServices.remember."""
        await noted(self.place(lease.target), lambda charter: charter.fenced(lease).noted(key, text))

    async def recall(self, target: Target, key: str) -> str | None:
        """As HostsServices.recall."""
        place = self.place(target)
        return (await place.charter()).pages.get(key) if await place.begun() else None

    async def dispose(self, lease: Lease) -> None:
        """As Disposes.dispose."""
        place = self.place(lease.target)
        if await place.begun():
            (await place.charter()).fenced(lease)
            await place.end()

    async def run(self, lease: Lease, release: Release, job: Job) -> JobResult:
        """As RunsJobs.run; exit code 124 when the job's time was over."""
        self._must_take(release)
        secrets = await resolve(release.secrets, "release.secrets")
        place = self.place(lease.target)
        await place.begin()
        (await place.charter()).fenced(lease)
        return await place.run(release, job, secrets)

    def _must_take(self, release: Release) -> None:
        if release.artifact.kind not in self.artifact_kinds:
            name = type(self).__name__.removesuffix("Platform")
            raise CapabilityError(
                f"the platform {name} runs images, and {release.version} is a {release.artifact.kind}",
                fix="set build.builder: docker in tes.yaml, or environments.<name>.platform: local",
            )
        if self.pulls and not release.artifact.names_a_registry:
            raise CapabilityError(
                f"image {release.artifact.location} of {release.version} is in no registry, and a cloud has it from "
                "nowhere else",
                fix="set build.registry in tes.yaml to host/name of one that the cloud reaches, and release again",
            )


class Splits(Chartered):
    """SplitsTraffic as well, where the place can share requests between two releases."""

    async def shift(self, lease: Lease, version: str, weight: int) -> None:
        """As SplitsTraffic.shift."""
        place = self.place(lease.target)
        await changed(place, lambda seen: seen.charter.fenced(lease).shifted(version, weight, seen.ready()))


async def changed(place: Place, decide: Callable[[Seen], Charter]) -> Charter:
    """Looks, decides, swaps, and begins again where another has come before; returns what holds now. What is decided
    already and not done is said again: a client may have been killed before it was heard."""
    return await _swapped(place, place.look, decide)


async def noted(place: Place, decide: Callable[[Charter], Charter]) -> Charter:
    """The same for what is no matter of copies and traffic: nothing but the charter is read."""

    async def read() -> Seen:
        return Seen(await place.charter())

    return await _swapped(place, read, lambda seen: decide(seen.charter))


async def _swapped(place: Place, look: Callable[[], Awaitable[Seen]], decide: Callable[[Seen], Charter]) -> Charter:
    for attempt in range(_TRIES):
        seen = await look()
        charter = decide(seen)
        if charter is seen.charter and seen.agrees:
            return charter
        try:
            await place.swap(seen, charter)
            return charter
        except Stale:
            await asyncio.sleep(0.02 * attempt)
    raise Unavailable(f"{place.target} is changed by others all the time")
