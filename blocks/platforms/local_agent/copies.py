"""One copy of a release: started, watched, probed, and started again when it dies."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from blocks.platforms.local_agent import launch, logs, process
from blocks.platforms.local_agent.probe import probe
from blocks.platforms.local_agent.state import CopyRecord
from domain.place import CopyState, Release, Target

if TYPE_CHECKING:
    from subprocess import Popen

    from blocks.platforms.local_agent.upstream import Upstream

TERM_GRACE = 5.0  # seconds between SIGTERM and SIGKILL, after its requests were drained
_BACKOFF_FIRST, _BACKOFF_MOST, _CALM = 0.1, 30.0, 10.0
CRASH_LOOP = 5  # deaths with no calm (healthy for a while) in between


@dataclass(frozen=True)
class Plan:
    """What every copy of a release is started from."""

    target: Target
    release: Release
    tree: Path
    logs: Path
    log_size: int
    secrets: dict[str, str]
    mark: str


class Copy:
    """`changed` is called after each change that must be persisted or seen by the front."""

    def __init__(self, record: CopyRecord, plan: Plan, changed: Callable[[], None]) -> None:
        self.record = record
        self.plan = plan
        self.pool: list[tuple[float, Upstream]] = []
        self.alive = False
        self.reason = "starting"
        self.deaths = 0
        self.hopeless = False
        self.began = time.monotonic()
        self._changed = changed
        self._child: Popen[bytes] | None = None
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        return self.record.healthy and self.alive

    @property
    def log(self) -> Path:
        return self.plan.logs / f"{self.record.name}.log"

    def start(self) -> None:
        """Adopts the recorded process if it still runs, else starts one; watches it from now on."""
        self._task = asyncio.create_task(self._supervise(), name=self.record.name)

    def revive(self) -> None:
        """Tries again after it was given up."""
        self.hopeless, self.deaths, self.reason = False, 0, "starting"
        self.start()

    async def stop(self) -> None:
        """The whole process group is gone."""
        self._stopping = True
        self.alive = False
        pid, born = self.record.pid, self.record.birth
        if pid is not None:
            await process.stop_group(pid, born, TERM_GRACE)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._child is not None:
            self._child.wait()
        for _, upstream in self.pool:
            upstream.close()
        self.pool.clear()

    async def seen(self) -> CopyState:
        """As of now: the process by pid and birth, the health path by asking it."""
        pid, ok, reason = self.record.pid, False, self.reason
        running = pid is not None and process.birth(pid) == self.record.birth and self.record.birth is not None
        if running:
            health = self.plan.release.health
            ok, reason = await probe(self.record.port, health.path, health.timeout)
            if ok and not self.record.healthy:
                ok, reason = False, f"{reason}, but not yet {health.successes} times in a row"
        return CopyState(
            name=self.record.name,
            address=f"http://127.0.0.1:{self.record.port}" if self.record.port else "",
            pid=pid if running else None,
            healthy=ok,
            restarts=self.record.restarts,
            reason="" if ok else reason,
        )

    def last_words(self) -> str:
        """The end of its log, bounded, without secrets."""
        return logs.tail(self.log, self.plan.secrets.values())

    async def _supervise(self) -> None:
        record = self.record
        adopted = record.birth is not None and process.birth(record.pid) == record.birth
        if not adopted and record.pid is not None:
            process.signal_group(record.pid, record.birth, 9)  # what a dead leader may have left behind
            record.restarts += 1
        while not self._stopping:
            if not adopted and not self._spawn():
                if self.hopeless:
                    return
                await self._pause()
                continue
            adopted, started = False, time.monotonic()
            self.alive, self.began = True, started
            watch = asyncio.create_task(self._watch(adopted_healthy=record.healthy))
            try:
                await process.exited(record.pid or 0, record.birth)
            finally:
                watch.cancel()
            self._died(time.monotonic() - started)
            if self._stopping or self.hopeless:
                return
            await self._pause()
            record.restarts += 1

    async def _pause(self) -> None:
        await asyncio.sleep(min(_BACKOFF_MOST, _BACKOFF_FIRST * 2 ** min(self.deaths - 1, 10)))

    def _spawn(self) -> bool:
        plan, record = self.plan, self.record
        record.port, record.healthy = process.free_port(), False
        argv = launch.argv(plan.release.command, record.port)
        mark = f"{plan.mark}/{record.name}"
        values = launch.environment(plan.target, plan.release, plan.secrets, record.port, mark)
        try:
            self._child = process.spawn(argv, plan.tree, values, self.log, plan.release.resources.memory_mb)
        except OSError as error:
            self.alive, self.deaths = False, self.deaths + 1
            # A full disk or process table may pass; a program that is not there does not come by itself.
            self.hopeless = error.errno in (errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR)
            self.reason = f"{argv[0]} cannot be started: {error.strerror}"
            self._changed()
            return False
        record.pid = self._child.pid
        record.birth = process.birth(self._child.pid) or "ended at once"
        self.reason = "starting"
        self._changed()
        return True

    def _died(self, lived: float) -> None:
        self.alive = self.record.healthy = False
        code = self._child.wait() if self._child is not None and self._child.pid == self.record.pid else None
        process.signal_group(self.record.pid or 0, self.record.birth, 9)
        self.deaths += 1
        self.reason = (
            "ended" if code is None else f"ended with signal {-code}" if code < 0 else f"ended with exit {code}"
        )
        self.reason += f" after {lived:.1f} s"
        for _, upstream in self.pool:
            upstream.close()
        self.pool.clear()
        if not self._stopping:
            self._changed()

    async def _watch(self, adopted_healthy: bool) -> None:
        """Probes until cancelled; N successes in a row make it healthy, M failures unhealthy."""
        health = self.plan.release.health
        good = health.successes - 1 if adopted_healthy else 0
        bad = 0
        while True:
            ok, reason = await probe(self.record.port, health.path, health.timeout)
            good, bad = (good + 1, 0) if ok else (0, bad + 1)
            self.reason = reason
            if ok and good >= health.successes and not self.record.healthy:
                self.record.healthy = True
                self._changed()
            elif not ok and bad >= health.failures and self.record.healthy:
                self.record.healthy = False
                self._changed()
            if self.record.healthy and time.monotonic() - self.began > _CALM:
                self.deaths = 0
            # A copy that comes up is looked at more often, so that readiness costs no whole interval.
            await asyncio.sleep(health.interval if self.record.healthy else min(health.interval, 0.1 + bad * 0.05))
