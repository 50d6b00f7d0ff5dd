"""One release as it runs: its copies, its counts, and the requests that are with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection

from blocks.platforms.local_agent.copies import CRASH_LOOP, Copy, Plan
from blocks.platforms.local_agent.counts import Counts
from blocks.platforms.local_agent.state import CopyRecord, ReleaseRecord
from domain.place import ReleaseState


class Running:
    """Owned by the arbiter, used by the front: `pick` for each request, `inflight` while it lasts."""

    def __init__(self, record: ReleaseRecord, plan: Plan, changed: Callable[[], None]) -> None:
        self.record = record
        self.plan = plan
        self.version = record.release.version
        self.counts = Counts(time.time())
        self.inflight = 0
        self.closed = False
        self._changed = changed
        self._empty = asyncio.Event()
        self._turn = 0
        self.copies = [Copy(copy, plan, self._copy_changed) for copy in record.copies]
        for copy in self.copies:
            copy.start()

    def scale(self, replicas: int) -> list[Copy]:
        """Starts what is missing; returns the copies that are too many, no longer chosen, for the caller to stop."""
        names = {copy.record.name for copy in self.copies}
        number = 0
        while len(self.copies) < replicas:
            number += 1
            name = f"{self.version}-{number}"
            if name not in names:
                record = CopyRecord(name=name)
                self.record.copies.append(record)
                self.copies.append(Copy(record, self.plan, self._copy_changed))
                self.copies[-1].start()
        surplus = self.copies[replicas:]
        del self.copies[replicas:], self.record.copies[replicas:]
        return surplus

    def revive(self) -> None:
        """Copies that were given up are tried again."""
        for copy in self.copies:
            if copy.hopeless:
                copy.revive()

    def _copy_changed(self) -> None:
        if self.ready and not self.record.ever_ready:
            self.record.ever_ready = True
        self._changed()

    def pick(self, tried: Collection[Copy]) -> Copy | None:
        """The next healthy copy in turn. With none healthy any that lives: it may answer, and nobody else will."""
        copies = self.copies
        living = None
        for _ in range(len(copies)):
            self._turn = (self._turn + 1) % len(copies)
            copy = copies[self._turn]
            if not copy.alive or copy in tried:
                continue
            if copy.record.healthy:
                return copy
            living = living or copy
        return living

    def enter(self) -> None:
        self.inflight += 1
        self._empty.clear()

    def leave(self) -> None:
        self.inflight -= 1
        if self.inflight == 0:
            self._empty.set()

    async def drained(self, timeout: float) -> None:
        """Returns once its requests are done, or time is up."""
        if self.inflight:
            try:
                await asyncio.wait_for(self._empty.wait(), timeout)
            except TimeoutError:
                return  # they had their time; what is left is cut

    async def stop(self) -> None:
        self.closed = True
        await asyncio.gather(*(copy.stop() for copy in self.copies))

    @property
    def ready(self) -> bool:
        return len(self.copies) >= self.record.release.replicas and all(copy.healthy for copy in self.copies)

    def failure(self) -> str:
        """Why it will not become healthy; empty while it may."""
        grace = self.record.release.health.grace
        for copy in self.copies:
            if copy.hopeless:
                return f"{copy.record.name}: {copy.reason}"
            words = copy.last_words() if copy.deaths >= CRASH_LOOP or not self.record.ever_ready else ""
            said = f"; its last words:\n{words}" if words else "; it wrote no log"
            if copy.deaths >= CRASH_LOOP:
                return f"{copy.record.name} keeps crashing: {copy.deaths} times in a row, it {copy.reason}{said}"
            if not self.record.ever_ready and not copy.healthy and time.monotonic() - copy.began > grace:
                return f"{copy.record.name} is not healthy {grace:g} s after its start: {copy.reason}{said}"
        return ""

    async def seen(self) -> ReleaseState:
        """As of now, from the processes and their health paths."""
        copies = await asyncio.gather(*(copy.seen() for copy in self.copies))
        failure = self.failure()
        unhealthy = "; ".join(f"{copy.name}: {copy.reason}" for copy in copies if not copy.healthy)
        return ReleaseState(
            release=self.record.release,
            weight=self.record.weight,
            copies=tuple(copies),
            failed=bool(failure),
            reason=failure or ("draining" if self.record.draining else unhealthy),
            warm_until=self.record.warm_until,
        )
