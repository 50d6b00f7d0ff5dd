"""The releases of one target as they run: taken over from a former agent, added, given their shares, and let go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from blocks.platforms.local_agent import logs, process
from blocks.platforms.local_agent.front import Front
from blocks.platforms.local_agent.guarded import Guarded
from blocks.platforms.local_agent.ledger import Ledger
from blocks.platforms.local_agent.running import Running
from blocks.platforms.local_agent.state import AGENT_FILE, CopyRecord, ReleaseRecord
from blocks.platforms.local_agent.trees import Trees
from domain.errors import Rejected
from domain.place import Release

LOG_FILES = 3


class Fleet:
    """`running` by version, and the front before them."""

    def __init__(self, ledger: Ledger, trees: Trees, guard: Guarded) -> None:
        self.ledger, self.trees = ledger, trees
        self.state = ledger.state
        self.running: dict[str, Running] = {}
        self.front = Front(self.state.target, self.running, guard)
        self._leaving: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Adopts what a former agent left running, starts again what ended with it, ends what nobody remembers."""
        records = self.state.releases
        copies = [copy for record in records for copy in record.copies if copy.birth is not None]
        living = {copy.name for copy in copies if process.birth(copy.pid) == copy.birth}
        left_over = bool(records) or (self.ledger.folder / AGENT_FILE).exists()
        for pid, value in process.marked(f"{self.ledger.folder}/") if left_over else ():
            if value.rpartition("/")[2] not in living:
                process.signal_group(pid, process.birth(pid), 9)
        for record in records:
            self.running[record.release.version] = Running(
                record, self.trees.plan(record.release), self.ledger.save_soon
            )
        self.share()
        if records:
            self.state.public_port = await self.front.open(self.state.public_port)
        self.front.drop_what_is_left()
        for record in tuple(records):
            if record.draining:
                self.leave(record.release.version)

    def tick(self, log_size: int) -> None:
        """What time alone decides: a warm release leaves, logs are rotated."""
        now = time.time()
        for record in self.state.releases:
            version = record.release.version
            warm_over = record.warm_until is not None and record.warm_until <= now
            if warm_over and not record.weight and version != self.state.stable:
                self.leave(version)
        for running in self.running.values():
            for copy in running.copies:
                logs.rotate(copy.log, log_size, LOG_FILES)

    async def stop(self) -> None:
        """Nothing of them runs any more."""
        self.front.balance.set({})
        self.front.close()
        await asyncio.gather(*(running.drained(2.0) for running in self.running.values()))
        await asyncio.gather(*(running.stop() for running in self.running.values()))
        self.running.clear()
        self.state.releases.clear()

    def serves(self, version: str) -> bool:
        """It is stable, or has a share of the requests."""
        return version == self.state.stable or self.running[version].record.weight > 0

    def find(self, version: str) -> Running:
        """Rejected when it is not there, or on its way out."""
        running = self.running.get(version)
        if running is None or running.record.draining:
            raise Rejected(f"release {version} of {self.state.target} is not there", fix="provision it first")
        return running

    async def open(self, wanted: int | None) -> int:
        """The public port. One that was picked and is lost meanwhile is picked again; one that is asked for is not."""
        before = self.state.public_port
        if wanted is None and before is not None and before not in self.front.ports:
            try:
                return await self.front.open(before)
            except Rejected:
                return await self.front.open(None)
        return await self.front.open(wanted or before)

    async def add(self, release: Release, port: int) -> None:
        """Its copies are started, once it is on the disk that there are any."""
        names = [f"{release.version}-{number + 1}" for number in range(release.replicas)]
        record = ReleaseRecord(release=release, copies=[CopyRecord(name=name) for name in names])
        before = self.state.public_port
        self.state.releases.append(record)
        self.state.public_port = port
        try:
            await self.ledger.save()
        except Rejected:
            self.state.releases.remove(record)
            self.state.public_port = before
            raise
        self.running[release.version] = Running(record, self.trees.plan(release), self.ledger.save_soon)

    async def gone(self, versions: Iterable[str]) -> None:
        """These have been drained and ended."""
        await asyncio.gather(*(asyncio.shield(self.leave(version)) for version in versions))

    async def left(self, version: str) -> None:
        """Returns once it is not on its way out any more."""
        if version in self._leaving:
            await asyncio.shield(self._leaving[version])

    def leave(self, version: str) -> asyncio.Task[None]:
        """Begins to let it go: no new requests, those in flight have their time, then its processes end."""
        if version not in self._leaving:
            # At once: a promotion that was waiting when the abort came must find it on its way out.
            self.running[version].record.draining = True
            task = self._leaving[version] = asyncio.create_task(self._remove(version))
            task.add_done_callback(lambda _: self._leaving.pop(version))
        return self._leaving[version]

    async def _remove(self, version: str) -> None:
        running = self.running[version]
        running.record.draining, running.record.weight = True, 0
        self.share()
        self.ledger.save_soon()
        await running.drained(running.record.release.drain)
        await running.stop()
        del self.running[version]
        self.state.releases.remove(running.record)
        if not self.state.releases:
            self.front.close()
        self.ledger.save_soon()
        await self.collect()

    async def collect(self) -> None:
        """Trees that nobody needs are removed."""
        await asyncio.to_thread(self.trees.collect, tuple(self.running))

    def share(self, weights: dict[str, int] | None = None) -> None:
        """Sets the shares of new requests (everybody not named has none), or takes those of the records."""
        for record in self.state.releases:
            if weights is not None:
                record.weight = weights.get(record.release.version, 0)
        self.front.balance.set({record.release.version: record.weight for record in self.state.releases})

    async def save_share(self, weights: dict[str, int]) -> None:
        """The same, and it is on the disk."""
        self.share(weights)
        await self.ledger.save()
