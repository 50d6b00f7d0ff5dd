"""The platform `memory`: nothing runs, and every failure can be ordered. Shipped, so that others can test with it too.

    platform = MemoryPlatform(world="my test")
    platform.world_state.behaviours["v2"].never_healthy = True
    platform.fail("promote", nth=1, error=Unavailable("no answer"))

Platforms of the same world name share what they hold, as two clients of one cloud would.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import Field

from blocks.platforms.memory_world import Hosted, Place, World
from domain import leasing
from domain.errors import Rejected, TesError
from domain.place import Capability, Job, JobResult, Lease, Release, ServiceState, Target, Traffic

_WORLDS: dict[str, World] = {}
_SAMPLE = 200  # public requests that one look at the traffic stands for


class MemoryPlatform(Block):
    """Pretends to run services, to try flows and tests without running anything.

    Example:
        ```python
        from blocks.platforms.memory import MemoryPlatform

        platform = MemoryPlatform.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "Memory Platform"
    _block_type_slug = "memory-platform"
    _documentation_url = (
        "https://github.com/test-execution-system/test-execution-system/"  # type: ignore[assignment]
        "blob/main/docs/reference/local-platform.md"
    )

    capabilities: ClassVar[frozenset[Capability]] = frozenset(Capability)
    artifact_kinds: ClassVar[tuple[str, ...]] = ("bundle", "image")

    world: str = Field(default="default", description="Platforms of the same world share what they hold.")

    @property
    def world_state(self) -> World:
        """What is there, and the orders for failures."""
        return _WORLDS.setdefault(self.world, World())

    def forget(self) -> None:
        """An empty world."""
        _WORLDS.pop(self.world, None)

    def fail(self, verb: str, error: TesError, *, nth: int = 1, done: bool = False) -> None:
        """The nth call of the verb from now on raises; with `done` after its work was done, as a lost answer does."""
        world = self.world_state
        key = (verb, world.calls[verb] + nth)
        world.failures[key] = error
        if done:
            world.after.add(key)

    def delay(self, verb: str, seconds: float) -> None:
        """Every call of the verb takes that long from now on."""
        self.world_state.delays[verb] = seconds

    # The verbs. Each begins and ends with what was ordered for it.

    async def acquire(self, target: Target, holder: str, ttl: float) -> Lease:
        """As HostsServices.acquire."""
        late = await self._called("acquire")
        world, place = self.world_state, self.world_state.place(target)
        place.lease = leasing.taken(target, place.lease, place.token, holder, ttl, world.now)
        place.token = place.lease.token
        _raise(late)
        return place.lease

    async def give_back(self, lease: Lease) -> None:
        """As HostsServices.give_back."""
        late = await self._called("give_back")
        place = self.world_state.place(lease.target)
        if leasing.is_held(lease, place.lease):
            place.lease = None
        _raise(late)

    async def inspect(self, target: Target) -> ServiceState:
        """As HostsServices.inspect."""
        _raise(await self._called("inspect"))
        world, place = self.world_state, self.world_state.places.get(target)
        if place is None:
            return ServiceState(target=target)
        self._cool(place)
        return ServiceState(
            target=target,
            stable=place.stable,
            releases=tuple(hosted.seen(world.behaviours[version]) for version, hosted in place.hosted.items()),
            address="http://memory.invalid" if place.hosted else "",
            lease=place.lease if place.lease and place.lease.expires > world.now else None,
            token=place.token,
        )

    async def targets(self) -> Sequence[Target]:
        """As HostsServices.targets."""
        return list(self.world_state.places)

    async def provision(self, lease: Lease, release: Release) -> None:
        """As HostsServices.provision."""
        late = await self._called("provision")
        place = self._fenced(lease)
        here = place.hosted.get(release.version)
        if here is None:
            place.hosted[release.version] = Hosted(release)
        elif here.release.artifact.digest != release.artifact.digest and here.weight:
            raise Rejected(f"release {release.version} of {lease.target} has the traffic and is immutable")
        else:
            here.release, here.lost = release, 0
        _raise(late)

    async def wait_ready(self, target: Target, version: str, timeout: float) -> tuple[bool, str]:
        """As HostsServices.wait_ready; decided at once, there is no clock."""
        _raise(await self._called("wait_ready"))
        state = (await self.inspect(target)).of(version)
        if state is None:
            return False, f"release {version} of {target} is not there"
        healthy = sum(copy.healthy for copy in state.copies)
        count = f"{healthy} of {state.release.replicas} copies healthy"
        return state.ready, f"{count}: {state.reason}" if state.reason else count

    async def shift(self, lease: Lease, version: str, weight: int) -> None:
        """As SplitsTraffic.shift."""
        late = await self._called("shift")
        place = self._fenced(lease)
        hosted = self._ready(place, version) if weight else self._find(place, version)
        if not 0 <= weight <= 100:
            raise Rejected(f"weight {weight} is not a share", fix="give a weight from 0 to 100")
        if place.stable not in place.hosted or (version == place.stable and weight != 100):
            raise Rejected(f"{version} cannot share the traffic of {lease.target}: stable is {place.stable}")
        place.share({str(place.stable): 100 - weight, hosted.release.version: weight})
        _raise(late)

    async def promote(self, lease: Lease, version: str) -> None:
        """As HostsServices.promote."""
        late = await self._called("promote")
        place = self._fenced(lease)
        if place.stable != version or self._find(place, version).weight != 100:
            hosted = self._ready(place, version)
            old = place.hosted.get(place.stable or "")
            if old is not None and old is not hosted:
                old.warm_until = self.world_state.now + hosted.release.warm
            place.stable, hosted.warm_until, hosted.promoted = version, None, True
            place.share({version: 100})
        _raise(late)

    async def abort(self, lease: Lease, stable: str | None) -> None:
        """As HostsServices.abort."""
        late = await self._called("abort")
        place = self._fenced(lease)
        if stable is not None:
            self._find(place, stable).warm_until = None
        now = self.world_state.now
        place.stable = stable
        place.share({} if stable is None else {stable: 100})
        for version, hosted in tuple(place.hosted.items()):
            warm = stable is not None and hosted.warm_until is not None and hosted.warm_until > now
            if version != stable and not warm:
                place.remove(version)
        _raise(late)

    async def retire(self, lease: Lease, version: str) -> None:
        """As HostsServices.retire."""
        late = await self._called("retire")
        place = self._fenced(lease)
        hosted = place.hosted.get(version)
        if hosted is not None and (hosted.weight or version == place.stable):
            raise Rejected(f"release {version} of {lease.target} has the traffic", fix="promote another one first")
        place.remove(version)
        _raise(late)

    async def remember(self, lease: Lease, key: str, text: str) -> None:
        """As HostsServices.remember."""
        late = await self._called("remember")
        self._fenced(lease).notebook[key] = text
        _raise(late)

    async def recall(self, target: Target, key: str) -> str | None:
        """As HostsServices.recall."""
        _raise(await self._called("recall"))
        place = self.world_state.places.get(target)
        return place.notebook.get(key) if place is not None else None

    async def dispose(self, lease: Lease) -> None:
        """As Disposes.dispose."""
        late = await self._called("dispose")
        self._fenced(lease)
        del self.world_state.places[lease.target]
        _raise(late)

    async def garbage(self) -> Sequence[str]:
        """As Collects.garbage."""
        _raise(await self._called("garbage"))
        return tuple(self.world_state.litter)

    async def collect(self) -> Sequence[str]:
        """As Collects.collect."""
        late = await self._called("collect")
        gone, self.world_state.litter = tuple(self.world_state.litter), []
        _raise(late)
        return gone

    async def run(self, lease: Lease, release: Release, job: Job) -> JobResult:
        """As RunsJobs.run; the result is what was ordered, success otherwise."""
        late = await self._called("run")
        self._fenced(lease).jobs.append((release.version, job))
        _raise(late)
        return self.world_state.behaviours[release.version].job

    async def traffic(self, target: Target, version: str, since: float) -> Traffic:
        """As ObservesTraffic.traffic. `since` is the world's time; every look stands for some public requests."""
        _raise(await self._called("traffic"))
        world, place = self.world_state, self.world_state.places.get(target)
        if place is None or version not in place.hosted:
            return Traffic(version=version)
        known = 0
        if since > world.now or not place.requests:
            known, since = len(place.requests), world.now  # a caller that lives by the real clock sees fresh traffic
            world.send(target, _SAMPLE)
        asked = place.requests[known:]
        seen = [error for moment, other, error in asked if other == version and moment >= since]
        latency = world.behaviours[version].latency if seen else 0.0
        return Traffic(
            version=version,
            requests=len(seen),
            errors=sum(seen),
            seconds=max(world.now - since, 1.0) if seen else 0.0,
            p50=latency,
            p95=latency,
            p99=latency,
        )

    async def _called(self, verb: str) -> TesError | None:
        """Raises what was ordered for this call; returns it instead when it is to be raised after the work."""
        world = self.world_state
        world.calls[verb] += 1
        if verb in world.delays:
            await asyncio.sleep(world.delays[verb])
        key = (verb, world.calls[verb])
        error = world.failures.pop(key, None)
        if error is not None and key in world.after:
            return error
        _raise(error)
        return None

    def _fenced(self, lease: Lease) -> Place:
        place = self.world_state.place(lease.target)
        leasing.fence(lease, place.target, place.lease, place.token)
        place.token = lease.token
        self._cool(place)
        return place

    def _cool(self, place: Place) -> None:
        """What is no longer warm goes by itself."""
        for version, hosted in tuple(place.hosted.items()):
            over = hosted.warm_until is not None and hosted.warm_until <= self.world_state.now
            if over and not hosted.weight and version != place.stable:
                place.remove(version)

    def _find(self, place: Place, version: str) -> Hosted:
        if version not in place.hosted:
            raise Rejected(f"release {version} of {place.target} is not there", fix="provision it first")
        return place.hosted[version]

    def _ready(self, place: Place, version: str) -> Hosted:
        hosted = self._find(place, version)
        state = hosted.seen(self.world_state.behaviours[version])
        if not state.ready:
            raise Rejected(f"release {version} of {place.target} is not ready: {state.reason}")
        return hosted


def _raise(error: TesError | None) -> None:
    if error is not None:
        raise error


PLATFORM = MemoryPlatform
