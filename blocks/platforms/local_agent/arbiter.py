"""What is decided about one target, one thing at a time: the event loop is the lock.

Every change is made in memory and on disk before the verb answers, except that traffic goes back to stable at once.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from blocks.platforms.local_agent import jobs, launch, logs
from blocks.platforms.local_agent.fleet import Fleet
from blocks.platforms.local_agent.guarded import Guarded
from blocks.platforms.local_agent.leases import Leases
from blocks.platforms.local_agent.ledger import Ledger
from blocks.platforms.local_agent.running import Running
from blocks.platforms.local_agent.state import NOTEBOOK, AgentState, safe_name
from blocks.platforms.local_agent.trees import Trees
from domain.errors import Rejected
from domain.place import Job, JobResult, Lease, Release, ServiceState, Traffic


class Arbiter:
    """The verbs of blocks/platforms/protocol.py for one target."""

    def __init__(self, folder: Path, state: AgentState, log_size: int, guard: Guarded) -> None:
        self.folder, self.state = folder, state
        self.target = state.target
        self.ledger = Ledger(folder, state)
        self.trees = Trees(self.ledger, log_size)
        self.fleet = Fleet(self.ledger, self.trees, guard)
        self.running, self.front = self.fleet.running, self.fleet.front
        self.leases = Leases(state, self.ledger.save)
        self.stopped = asyncio.Event()
        self._log_size = log_size
        self._jobs: dict[tuple[str, str], asyncio.Task[JobResult]] = {}
        self._aborts = 0
        self._idle_since = time.monotonic()

    # Life.

    async def start(self) -> None:
        """As Fleet.start."""
        await self.fleet.start()

    async def tick(self) -> None:
        """Called every second: what time alone decides."""
        self.fleet.tick(self._log_size)
        logs.rotate(self.folder / "agent.log", self._log_size, 1)
        if self.state.releases or self._jobs:
            self._idle_since = time.monotonic()
        self.ledger.tick()

    @property
    def idle(self) -> float:
        """Seconds without a release, a job or a valid lease."""
        lease = self.state.lease
        return 0.0 if lease and lease.expires > time.time() else time.monotonic() - self._idle_since

    async def shutdown(self) -> None:
        """Everything of the target is stopped and the agent ends; trees, logs, notebook and port are kept."""
        await self.fleet.stop()
        self.state.stable = self.state.lease = None
        await self.ledger.save()
        self.stopped.set()

    # Verbs.

    async def inspect(self) -> ServiceState:
        states = await asyncio.gather(*(running.seen() for running in self.running.values()))
        port, lease = self.state.public_port, self.state.lease
        return ServiceState(
            target=self.target,
            stable=self.state.stable,
            releases=tuple(states),
            address=f"http://127.0.0.1:{port}" if port in self.front.ports else "",
            lease=lease if lease and lease.expires > time.time() else None,
            token=self.state.token,
        )

    async def provision(self, lease: Lease, release: Release, secrets: dict[str, str]) -> None:
        self.leases.fence(lease)
        launch.check(release)
        version = release.version
        await self.fleet.left(version)
        running = self.running.get(version)
        if running is not None:
            same, serves = _identity(running.record.release) == _identity(release), self.fleet.serves(version)
            if same and (serves or not running.failure()):
                self.trees.keep_secrets(release, secrets)
                running.revive()
                running.record.release = release
                await self.ledger.save()
                surplus = running.scale(release.replicas)
                await asyncio.gather(*(copy.stop() for copy in surplus))
                return
            if serves:
                raise Rejected(
                    f"release {version} of {self.target} has the traffic and cannot become another one in place",
                    fix="a release is immutable: give what was changed a version of its own",
                )
            await self.fleet.gone([version])
        port = await self.fleet.open(release.public_port)
        aborts = self._aborts
        try:
            await self.trees.unpack(release)
            self.leases.fence(lease)
            if self._aborts != aborts:
                raise Rejected(f"release {version} of {self.target} was aborted while it was unpacked")
            self.trees.keep_secrets(release, secrets)
            if version not in self.running:
                await self.fleet.add(release, port)
        finally:
            if not self.running:
                self.front.keep_only(None)

    async def readiness(self, version: str) -> tuple[bool, bool, str]:
        """(ready, hopeless, why)."""
        running = self.running.get(version)
        if running is None:
            return False, True, f"release {version} of {self.target} is not there"
        state = await running.seen()
        if state.ready and self.ledger.unsaved:
            await self.ledger.save()  # an agent that comes after this one must know it too: `promote` follows
        healthy = sum(copy.healthy for copy in state.copies)
        count = f"{healthy} of {state.release.replicas} copies healthy"
        return state.ready, state.failed, f"{count}: {state.reason}" if state.reason else count

    async def shift(self, lease: Lease, version: str, weight: int) -> None:
        self.leases.fence(lease)
        stable = self.state.stable
        running = self.fleet.find(version)
        if not 0 <= weight <= 100:
            raise Rejected(f"weight {weight} is not a share", fix="give a weight from 0 to 100")
        if version == stable or stable not in self.running:
            if version == stable and weight == 100:
                await self.fleet.save_share({version: 100})
                return
            raise Rejected(
                f"{version} cannot share the traffic of {self.target}: stable is {stable or 'not there yet'}",
                fix="shift a candidate; the first release of a target is promoted",
            )
        if weight > running.record.weight:
            await self._must_be_ready(running, "take traffic")
            self.leases.fence(lease)
            self.fleet.find(version)
        await self.fleet.save_share({version: weight, stable: 100 - weight})

    async def promote(self, lease: Lease, version: str) -> None:
        self.leases.fence(lease)
        running, before = self.fleet.find(version), self.state.stable
        if before == version and running.record.weight == 100:
            return
        await self._must_be_ready(running, "be promoted")
        self.leases.fence(lease)
        self.fleet.find(version)
        self.state.stable, running.record.warm_until = version, None
        old = self.running.get(before or "")
        if old is not None and before != version:
            old.record.warm_until = time.time() + running.record.release.warm
        await self.fleet.save_share({version: 100})
        self.front.keep_only(self.state.public_port)
        await self.fleet.collect()

    async def abort(self, lease: Lease, stable: str | None) -> None:
        self.leases.fence(lease)
        self._aborts += 1
        if stable is None:
            self.state.stable = None
            self.fleet.share({})
            self.ledger.save_soon()
            await self.fleet.gone(tuple(self.running))
            return
        running = self.running.get(stable)
        if running is None or running.record.draining:
            raise Rejected(
                f"release {stable} of {self.target} is not running any more",
                fix="provision it again, wait until it is ready and promote it",
            )
        if not any(copy.healthy for copy in running.copies):
            await self._must_not_be_worse(running)
            self.leases.fence(lease)
        self.state.stable, running.record.warm_until = stable, None
        self.fleet.share({stable: 100})
        self.ledger.save_soon()
        now = time.time()
        others = [other for version, other in self.running.items() if version != stable]
        await self.fleet.gone([o.version for o in others if not (o.record.warm_until and o.record.warm_until > now)])

    async def retire(self, lease: Lease, version: str) -> None:
        self.leases.fence(lease)
        running = self.running.get(version)
        if running is None:
            return
        if self.fleet.serves(version):
            raise Rejected(
                f"release {version} of {self.target} has the traffic", fix="promote or abort to another one first"
            )
        await self.fleet.gone([version])

    async def remember(self, lease: Lease, key: str, text: str) -> None:
        self.leases.fence(lease)
        await self.ledger.write(self.folder / NOTEBOOK / safe_name(key), text)

    async def run(self, lease: Lease, release: Release, job: Job, secrets: dict[str, str]) -> JobResult:
        """The same job asked for twice at once runs once, for both."""
        self.leases.fence(lease)
        launch.check(release.model_copy(update={"command": job.command}))
        key = (release.version, job.name)
        task = self._jobs.get(key)
        if task is None:
            task = self._jobs[key] = asyncio.create_task(self._job(release, job, secrets))
            task.add_done_callback(lambda _: self._jobs.pop(key))
        return await asyncio.shield(task)

    async def _job(self, release: Release, job: Job, secrets: dict[str, str]) -> JobResult:
        await self.trees.unpack(release)
        self.trees.keep_secrets(release, secrets)
        return await jobs.run(self.trees.plan(release), job, self.folder / "jobs")

    async def traffic(self, version: str, since: float) -> Traffic:
        running = self.running.get(version)
        return Traffic(version=version) if running is None else running.counts.since(version, since, time.time())

    # Conditions.

    async def _must_be_ready(self, running: Running, to_do_what: str) -> None:
        state = await running.seen()
        if not state.ready:
            raise Rejected(
                f"release {running.version} of {self.target} is not ready to {to_do_what}: {state.reason}",
                fix="wait until it is ready; its logs are in " + str(running.plan.logs),
            )

    async def _must_not_be_worse(self, stable: Running) -> None:
        """A dead stable does not take the traffic from a healthy candidate."""
        if any(copy.healthy for copy in (await stable.seen()).copies):
            return
        for other in self.running.values():
            if other is not stable and other.record.weight and any(copy.healthy for copy in other.copies):
                raise Rejected(
                    f"release {stable.version} of {self.target} has no healthy copy, and {other.version} has",
                    fix=f"see why {stable.version} is not healthy: {stable.plan.logs}",
                )


def _identity(release: Release) -> Release:
    """What makes it this release; the rest (where its bundle lies, how many copies) may change while it runs."""
    artifact = release.artifact.model_copy(
        update={"location": "", "environment": None, "created": 0.0, "size": 0, "builder": ""}
    )
    return release.model_copy(
        update={"artifact": artifact, "replicas": 1, "drain": 0.0, "warm": 0.0, "public_port": None}
    )
