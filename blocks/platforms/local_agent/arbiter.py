"""What is decided about one target, one thing at a time: the event loop is the lock.

Every change is made in memory and on disk before the verb answers, except that traffic goes back to stable at once.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import time
from pathlib import Path

from blocks.platforms.local_agent import jobs, launch, logs, process
from blocks.platforms.local_agent.copies import Plan
from blocks.platforms.local_agent.front import Front
from blocks.platforms.local_agent.leases import Leases
from blocks.platforms.local_agent.running import Running
from blocks.platforms.local_agent.state import (
    AGENT_FILE,
    NOTEBOOK,
    STATE_FILE,
    AgentState,
    CopyRecord,
    ReleaseRecord,
    safe_name,
    write_durably,
)
from blocks.platforms.local_agent.unpack import unpack
from domain.errors import Rejected
from domain.place import Job, JobResult, Lease, Release, ServiceState, Traffic

KEPT_TREES, LOG_FILES = 5, 3
_log = logging.getLogger(__name__)


class Arbiter:
    """The verbs of blocks/platforms/protocol.py for one target."""

    def __init__(self, folder: Path, state: AgentState, log_size: int) -> None:
        self.folder, self.state = folder, state
        self.target = state.target
        self.running: dict[str, Running] = {}
        self.front = Front(self.target, self.running)
        self.leases = Leases(state, self._save)
        self.stopped = asyncio.Event()
        self._log_size = log_size
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._jobs: dict[tuple[str, str], asyncio.Task[JobResult]] = {}
        self._aborts = 0
        self._unsaved = False
        self._saving = asyncio.Lock()
        self._saving_soon: asyncio.Task[None] | None = None
        self._idle_since = time.monotonic()

    # Life.

    async def start(self) -> None:
        """Adopts what a former agent left running, starts again what ended with it, ends what nobody remembers."""
        records = self.state.releases
        copies = [copy for record in records for copy in record.copies if copy.birth is not None]
        living = {copy.name for copy in copies if process.birth(copy.pid) == copy.birth}
        left_over = bool(records) or (self.folder / AGENT_FILE).exists()
        for pid, value in process.marked(f"{self.folder}/") if left_over else ():
            if value.rpartition("/")[2] not in living:
                process.signal_group(pid, process.birth(pid), 9)
        for record in records:
            self.running[record.release.version] = Running(record, self._plan(record.release), self._save_soon)
        self._share()
        if records:
            self.state.public_port = await self.front.open(self.state.public_port)
        for record in tuple(records):
            if record.draining:
                self._leave(record.release.version)

    async def tick(self) -> None:
        """Called every second: what time alone decides."""
        now = time.time()
        for record in self.state.releases:
            version = record.release.version
            warm_over = record.warm_until is not None and record.warm_until <= now
            if warm_over and not record.weight and version != self.state.stable:
                self._leave(version)
        for running in self.running.values():
            for copy in running.copies:
                logs.rotate(copy.log, self._log_size, LOG_FILES)
        logs.rotate(self.folder / "agent.log", self._log_size, 1)
        if self.state.releases or self._jobs:
            self._idle_since = time.monotonic()
        if self._unsaved:
            self._save_soon()

    @property
    def idle(self) -> float:
        """Seconds without a release, a job or a valid lease."""
        lease = self.state.lease
        return 0.0 if lease and lease.expires > time.time() else time.monotonic() - self._idle_since

    async def shutdown(self) -> None:
        """Everything of the target is stopped and the agent ends; trees, logs, notebook and port are kept."""
        self.front.balance.set({})
        self.front.close()
        await asyncio.gather(*(running.drained(2.0) for running in self.running.values()))
        await asyncio.gather(*(running.stop() for running in self.running.values()))
        self.running.clear()
        self.state.releases.clear()
        self.state.stable = self.state.lease = None
        await self._save()
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
        if version in self._leaving:
            await asyncio.shield(self._leaving[version])
        running = self.running.get(version)
        if running is not None:
            same, serves = _identity(running.record.release) == _identity(release), self._serves(version)
            if same and (serves or not running.failure()):
                self._keep_secrets(release, secrets)
                running.revive()
                running.record.release = release
                await self._save()
                surplus = running.scale(release.replicas)
                await asyncio.gather(*(copy.stop() for copy in surplus))
                return
            if serves:
                raise Rejected(
                    f"release {version} of {self.target} has the traffic and cannot become another one in place",
                    fix="a release is immutable: give what was changed a version of its own",
                )
            await asyncio.shield(self._leave(version))
        port = await self._open(release.public_port)
        aborts = self._aborts
        try:
            await asyncio.to_thread(unpack, release.artifact, self._folder(release))
            self.leases.fence(lease)
            if self._aborts != aborts:
                raise Rejected(f"release {version} of {self.target} was aborted while it was unpacked")
            self._keep_secrets(release, secrets)
            if version not in self.running:
                await self._add(release, port)
        finally:
            if not self.running:
                self.front.keep_only(None)

    async def _add(self, release: Release, port: int) -> None:
        names = [f"{release.version}-{number + 1}" for number in range(release.replicas)]
        record = ReleaseRecord(release=release, copies=[CopyRecord(name=name) for name in names])
        before = self.state.public_port
        self.state.releases.append(record)
        self.state.public_port = port
        try:
            await self._save()
        except Rejected:
            self.state.releases.remove(record)
            self.state.public_port = before
            raise
        self.running[release.version] = Running(record, self._plan(release), self._save_soon)

    async def _open(self, wanted: int | None) -> int:
        """The public port. One that was picked and is lost meanwhile is picked again; one that is asked for is not."""
        before = self.state.public_port
        if wanted is None and before is not None and before not in self.front.ports:
            try:
                return await self.front.open(before)
            except Rejected:
                return await self.front.open(None)
        return await self.front.open(wanted or before)

    async def readiness(self, version: str) -> tuple[bool, bool, str]:
        """(ready, hopeless, why)."""
        running = self.running.get(version)
        if running is None:
            return False, True, f"release {version} of {self.target} is not there"
        state = await running.seen()
        if state.ready and (self._unsaved or self._saving.locked()):
            await self._save()  # an agent that comes after this one must know it too: `promote` follows
        healthy = sum(copy.healthy for copy in state.copies)
        count = f"{healthy} of {state.release.replicas} copies healthy"
        return state.ready, state.failed, f"{count}: {state.reason}" if state.reason else count

    async def shift(self, lease: Lease, version: str, weight: int) -> None:
        self.leases.fence(lease)
        stable = self.state.stable
        running = self._find(version)
        if not 0 <= weight <= 100:
            raise Rejected(f"weight {weight} is not a share", fix="give a weight from 0 to 100")
        if version == stable or stable not in self.running:
            if version == stable and weight == 100:
                await self._save_share({version: 100})
                return
            raise Rejected(
                f"{version} cannot share the traffic of {self.target}: stable is {stable or 'not there yet'}",
                fix="shift a candidate; the first release of a target is promoted",
            )
        if weight > running.record.weight:
            await self._must_be_ready(running, "take traffic")
            self.leases.fence(lease)
            self._find(version)
        await self._save_share({version: weight, stable: 100 - weight})

    async def promote(self, lease: Lease, version: str) -> None:
        self.leases.fence(lease)
        running, before = self._find(version), self.state.stable
        if before == version and running.record.weight == 100:
            return
        await self._must_be_ready(running, "be promoted")
        self.leases.fence(lease)
        self._find(version)
        self.state.stable, running.record.warm_until = version, None
        old = self.running.get(before or "")
        if old is not None and before != version:
            old.record.warm_until = time.time() + running.record.release.warm
        await self._save_share({version: 100})
        self.front.keep_only(self.state.public_port)
        await asyncio.to_thread(self._collect_trees)

    async def abort(self, lease: Lease, stable: str | None) -> None:
        self.leases.fence(lease)
        self._aborts += 1
        if stable is None:
            self.state.stable = None
            self._share({})
            self._save_soon()
            await self._gone(tuple(self.running))
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
        self._share({stable: 100})
        self._save_soon()
        now = time.time()
        others = [other for version, other in self.running.items() if version != stable]
        await self._gone([o.version for o in others if not (o.record.warm_until and o.record.warm_until > now)])

    async def retire(self, lease: Lease, version: str) -> None:
        self.leases.fence(lease)
        running = self.running.get(version)
        if running is None:
            return
        if self._serves(version):
            raise Rejected(
                f"release {version} of {self.target} has the traffic", fix="promote or abort to another one first"
            )
        await self._gone([version])

    async def remember(self, lease: Lease, key: str, text: str) -> None:
        self.leases.fence(lease)
        try:
            await asyncio.to_thread(write_durably, self.folder / NOTEBOOK / safe_name(key), text)
        except OSError as error:
            raise self._cannot_write(error) from error

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
        await asyncio.to_thread(unpack, release.artifact, self._folder(release))
        self._keep_secrets(release, secrets)
        return await jobs.run(self._plan(release), job, self.folder / "jobs")

    async def traffic(self, version: str, since: float) -> Traffic:
        running = self.running.get(version)
        return Traffic(version=version) if running is None else running.counts.since(version, since, time.time())

    # Parts.

    def _serves(self, version: str) -> bool:
        return version == self.state.stable or self.running[version].record.weight > 0

    def _find(self, version: str) -> Running:
        running = self.running.get(version)
        if running is None or running.record.draining:
            raise Rejected(f"release {version} of {self.target} is not there", fix="provision it first")
        return running

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

    async def _gone(self, versions: list[str] | tuple[str, ...]) -> None:
        await asyncio.gather(*(asyncio.shield(self._leave(version)) for version in versions))

    def _leave(self, version: str) -> asyncio.Task[None]:
        if version not in self._leaving:
            # At once: a promotion that was waiting when the abort came must find it on its way out.
            self.running[version].record.draining = True
            task = self._leaving[version] = asyncio.create_task(self._remove(version))
            task.add_done_callback(lambda _: self._leaving.pop(version))
        return self._leaving[version]

    async def _remove(self, version: str) -> None:
        running = self.running[version]
        running.record.draining, running.record.weight = True, 0
        self._share()
        self._save_soon()
        await running.drained(running.record.release.drain)
        await running.stop()
        del self.running[version]
        self.state.releases.remove(running.record)
        if not self.state.releases:
            self.front.close()
        self._save_soon()
        await asyncio.to_thread(self._collect_trees)

    def _share(self, weights: dict[str, int] | None = None) -> None:
        """Sets the shares of new requests (everybody not named has none), or takes those of the records."""
        for record in self.state.releases:
            if weights is not None:
                record.weight = weights.get(record.release.version, 0)
        self.front.balance.set({record.release.version: record.weight for record in self.state.releases})

    async def _save_share(self, weights: dict[str, int]) -> None:
        self._share(weights)
        await self._save()

    def _save_soon(self) -> None:
        """Saved in a moment, or by a later tick: what has happened is not undone by a full disk."""
        self._unsaved = True
        if self._saving_soon is None or self._saving_soon.done():
            self._saving_soon = asyncio.create_task(self._save_quietly())

    async def _save_quietly(self) -> None:
        try:
            while self._unsaved:  # also what changed while the last text was on its way to the disk
                await self._save()
        except Rejected as error:
            self._unsaved = True
            _log.error("%s", error.message)

    async def _save(self) -> None:
        """What is true now is on the disk. In a thread: requests do not wait for the disk."""
        try:
            async with self._saving:
                self._unsaved = False
                await asyncio.to_thread(write_durably, self.folder / STATE_FILE, self.state.model_dump_json(indent=1))
        except OSError as error:
            raise self._cannot_write(error) from error

    def _cannot_write(self, error: OSError) -> Rejected:
        return Rejected(
            f"the state of {self.target} cannot be written to {self.folder}: {error.strerror}",
            fix=f"free some space on the disk of {self.folder}",
        )

    def _folder(self, release: Release) -> Path:
        return self.folder / "releases" / safe_name(release.version)

    def _plan(self, release: Release) -> Plan:
        folder = self._folder(release)
        try:
            secrets = json.loads((folder / "secrets.json").read_text())
        except FileNotFoundError:
            secrets = {}
        place = self.folder / "logs"
        return Plan(self.target, release, folder / "tree", place, self._log_size, secrets, str(self.folder))

    def _keep_secrets(self, release: Release, secrets: dict[str, str]) -> None:
        if secrets:
            try:
                write_durably(self._folder(release) / "secrets.json", json.dumps(secrets), 0o600)
            except OSError as error:
                raise self._cannot_write(error) from error

    def _collect_trees(self) -> None:
        """Keeps what runs and the newest few for a rollback; an older one is unpacked again from its bundle."""
        used = {safe_name(version) for version in tuple(self.running)}
        folders = sorted((self.folder / "releases").glob("*"), key=lambda path: path.stat().st_mtime, reverse=True)
        for folder in folders[KEPT_TREES:]:
            if folder.name not in used:
                shutil.rmtree(folder, ignore_errors=True)


def _identity(release: Release) -> Release:
    """What makes it this release; the rest (where its bundle lies, how many copies) may change while it runs."""
    artifact = release.artifact.model_copy(
        update={"location": "", "environment": None, "created": 0.0, "size": 0, "builder": ""}
    )
    return release.model_copy(
        update={"artifact": artifact, "replicas": 1, "drain": 0.0, "warm": 0.0, "public_port": None}
    )
