"""Starts the children, restarts those that end, and ends them all: `python -m cli.runtime.supervisor`.

It is the only writer of the state file and holds the home's supervisor lock as long as it lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Coroutine
from pathlib import Path

from cli.runtime import database, health, log, ports, template
from cli.runtime.children import Child, children
from cli.runtime.keeper import Keeper, now
from cli.runtime.lifecycle import COMMAND_FIRST
from cli.runtime.lock import take
from cli.runtime.process import MARK, identify, marked, send
from cli.runtime.state import ChildState, State, read, state_path, write
from domain.errors import TesError
from settings import settings

PREFECT_PORT = 4200
RUNS_GRACE_S = 10.0
# A release waits for the server alone: it gets the processor first. The service is of use without it, so not for ever.
SERVER_FIRST_S = 30.0
# What the command that started us takes from the server's first answer to its first tool.
HEAD_START_S = 2.0
logger = logging.getLogger("supervisor")


class Supervisor:
    """The children of one home and the state that tells of them."""

    def __init__(self, state: State, programs: tuple[Child, ...], head_start: float = 0.0) -> None:
        self.state, self.head_start = state, head_start
        # Closed by the kernel when this process ends; each child watches the other end.
        self.pipe, self._held = os.pipe()
        self.server, *self.others = (Keeper(child, state, self.pipe, self.save) for child in programs)
        self.asked, self.answering = asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        """Run until told to stop, or until the home is gone or somebody else's."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.asked.set)
        self.save()
        server = self._watched(self.server.keep())
        others = [self._watched(self._afterwards(keeper)) for keeper in self.others]
        aside = [self._watched(self._become_ready()), self._watched(self._leave_with_the_home())]
        await self.asked.wait()
        for task in aside:
            task.cancel()
        self.state.stopping = True
        self.save()
        # Flow runs first: they report their end to the server, and Prefect's worker would not wait for that.
        await self._end_others(signal.SIGTERM, RUNS_GRACE_S)
        for keeper in self.others:
            keeper.stop.set()
        await asyncio.wait(others)
        self.server.stop.set()
        await asyncio.wait([server])
        await self._end_others(signal.SIGKILL, 1.0)
        if self._is_ours():
            state_path(self.state.home).unlink(missing_ok=True)

    def _watched(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """A task whose failure ends the supervisor: half of one is worse than none."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()):
                logger.error("stopping, because of a defect", exc_info=error)
                self.asked.set()

        task = asyncio.create_task(work)
        task.add_done_callback(ended)
        return task

    async def _afterwards(self, keeper: Keeper) -> None:
        waiting = [asyncio.create_task(event.wait()) for event in (self.answering, keeper.stop)]
        await asyncio.wait(waiting, timeout=SERVER_FIRST_S, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(keeper.stop.wait(), self.head_start)
        await keeper.keep()

    async def _end_others(self, number: signal.Signals, timeout: float) -> None:
        """Signal what children started in this session, also if they are gone, and wait for it to end."""
        known = {process.pid for process in self.state.processes.values()}
        others = [process for process in marked(self.state.id, os.getsid(0)) if process.pid not in known]
        for process in others:
            send(process, number)
        deadline = time.monotonic() + timeout
        while any(process.alive for process in others) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)

    async def _become_ready(self) -> None:
        """Note when everything is registered, then make the template that the next fresh home will start from."""
        while not await health.wait(f"{self.state.runtime.prefect_api_url}/health", 60):
            logger.warning("the Prefect server does not answer yet")
        self.answering.set()
        database.mark_current(self.state.home)
        ready = self.state.home / "worker.ready"
        while not ready.exists():
            await asyncio.sleep(0.1)
        self.state.ready = True
        self.save()
        if not database.template_path().exists():
            with contextlib.suppress(OSError, TesError):
                await asyncio.to_thread(template.make, niceness=19)

    async def _leave_with_the_home(self) -> None:
        while self._is_ours():
            await asyncio.sleep(2.0)
        logger.warning("%s is gone or somebody else's: stopping", state_path(self.state.home))
        self.asked.set()

    def _is_ours(self) -> bool:
        current = read(self.state.home)
        return current is not None and current.id == self.state.id

    def save(self) -> None:
        """Tell the world; a home that is gone is not made again, and a full disk ends nobody."""
        try:
            write(self.state)
        except OSError as error:
            logger.error("%s cannot be written: %s", state_path(self.state.home), error)


def assembled(home: Path, mark: str, head_start: float = 0.0) -> Supervisor:
    """With ports chosen: Prefect's as the last time if it is free, as clients may remember it."""
    before, itself = read(home), identify(os.getpid())
    assert itself is not None
    prefect = ports.listen(before.prefect_port if before else PREFECT_PORT)
    service = ports.listen(settings().service_port)
    told = {name: ChildState(since=now()) for name in ("server", "worker", "service", "launcher")}
    state = State(mark, home, itself, ports.number(prefect), ports.number(service), now(), children=told)
    # Detached: they stay open as long as this process lives.
    return Supervisor(state, children(state, prefect.detach(), service.detach()), head_start)


def main() -> None:
    """Take the home's lock, choose ports, run."""
    home = settings().state
    if take(home / "supervisor.lock") is None:
        sys.exit(f"a supervisor already runs for {home}")
    handlers = [log.rotating(log.logs(home) / "supervisor.log")]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", handlers=handlers)
    (home / "worker.ready").unlink(missing_ok=True)
    database.prepare(home)
    head_start = HEAD_START_S if COMMAND_FIRST in sys.argv[1:] else 0.0
    asyncio.run(assembled(home, os.environ[MARK], head_start).run())


if __name__ == "__main__":
    main()
