"""Starts the children, restarts those that die, and ends them all: `python -m cli.runtime.supervisor`.

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
from datetime import UTC, datetime
from pathlib import Path

from cli.runtime import database, health, log, ports, template
from cli.runtime.children import Child, children
from cli.runtime.lock import take
from cli.runtime.process import MARK, identify, marked, send
from cli.runtime.state import ChildState, State, read, state_path, write
from domain.errors import TesError
from settings import settings

PREFECT_PORT = 4200
FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S = 0.2, 30.0, 30.0
RUNS_GRACE_S = 10.0
# A release waits for the server alone: it gets the processor first. The service is of use without it, so not for ever.
SERVER_FIRST_S = 30.0
logger = logging.getLogger("supervisor")


class Supervisor:
    """The children of one home and the state that tells of them."""

    def __init__(self, state: State, programs: tuple[Child, ...]) -> None:
        self.state, self.programs = state, programs
        self.asked, self.stopping, self.answering = asyncio.Event(), asyncio.Event(), asyncio.Event()
        # Closed by the kernel when this process ends; each child watches the other end.
        self.pipe, self._held = os.pipe()

    async def run(self) -> None:
        """Run until told to stop, or until the home is gone or somebody else's."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.asked.set)
        self.save()
        watched = [asyncio.create_task(self._keep(child)) for child in self.programs]
        aside = [asyncio.create_task(self._become_ready()), asyncio.create_task(self._leave_with_the_home())]
        await self.asked.wait()
        for task in aside:
            task.cancel()
        self.state.stopping = True
        self.save()
        # Flow runs first: they report their end to the server, and Prefect's worker would not wait for that.
        await self._end_others(signal.SIGTERM, RUNS_GRACE_S)
        self.stopping.set()
        await asyncio.gather(*watched)
        await self._end_others(signal.SIGKILL, 1.0)
        if self._is_ours():
            state_path(self.state.home).unlink(missing_ok=True)

    async def _keep(self, child: Child) -> None:
        """Run the child again and again, on the same port, with a growing pause while it does not last."""
        told = self.state.children[child.name]
        pause, handler = FIRST_PAUSE_S, log.rotating(log.logs(self.state.home) / f"{child.name}.log")
        if child.name != "server":
            await self._first(self.answering, self.stopping, timeout=SERVER_FIRST_S)
        while not self.stopping.is_set():
            begun = time.monotonic()
            process = await asyncio.create_subprocess_exec(
                *child.argv(self.pipe),
                env=child.environment(self.state),
                cwd=self.state.home,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=(self.pipe, *child.descriptors),
                process_group=0,
            )
            assert process.stdout is not None
            output = asyncio.create_task(log.pump(process.stdout, handler))
            told.process, told.status, told.since = identify(process.pid), "running", now()
            self.save()
            await self._ended_or_stopped(child, process)
            told.last_exit, told.process = process.returncode, None
            # A flow run that its worker left behind still writes here, so that its end is not waited for.
            await asyncio.wait([output], timeout=0.5)
            if self.stopping.is_set():
                break
            pause = FIRST_PAUSE_S if time.monotonic() - begun > STEADY_S else min(pause * 2, LONGEST_PAUSE_S)
            told.status, told.restarts = "restarting", told.restarts + 1
            self.save()
            logger.warning("%s ended with %s; starting it again in %.1f s", child.name, process.returncode, pause)
            await self._first(self.stopping, timeout=pause)
        told.status = "stopped"
        self.save()

    async def _first(self, *events: asyncio.Event, timeout: float) -> None:
        waiting = [asyncio.create_task(event.wait()) for event in events]
        await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()

    async def _ended_or_stopped(self, child: Child, process: asyncio.subprocess.Process) -> None:
        ended, told = asyncio.create_task(process.wait()), asyncio.create_task(self.stopping.wait())
        await asyncio.wait([ended, told], return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if ended.done():
            return
        if child.name == "server":
            # The worker reports the runs that it ends to the server.
            await self._until_stopped("worker", 20.0)
        process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(ended), child.grace)
            return
        logger.warning("%s did not stop within %.0f s; killing it", child.name, child.grace)
        process.kill()
        await ended

    async def _until_stopped(self, name: str, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while self.state.children[name].process is not None and time.monotonic() < deadline:
            await asyncio.sleep(0.05)

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
        """Tell the world; a home that is gone is not made again."""
        with contextlib.suppress(FileNotFoundError):
            write(self.state)


def now() -> str:
    """The time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def assembled(home: Path, mark: str) -> Supervisor:
    """With ports chosen: Prefect's as the last time if it is free, as clients may remember it."""
    before, itself = read(home), identify(os.getpid())
    assert itself is not None
    prefect = ports.listen(before.prefect_port if before else PREFECT_PORT)
    service = ports.listen(settings().service_port)
    told = {name: ChildState(since=now()) for name in ("server", "worker", "service")}
    state = State(mark, home, itself, ports.number(prefect), ports.number(service), now(), children=told)
    # Detached: they stay open as long as this process lives.
    return Supervisor(state, children(state, prefect.detach(), service.detach()))


def main() -> None:
    """Take the home's lock, choose ports, run."""
    home = settings().state
    if take(home / "supervisor.lock") is None:
        sys.exit(f"a supervisor already runs for {home}")
    handlers = [log.rotating(log.logs(home) / "supervisor.log")]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", handlers=handlers)
    (home / "worker.ready").unlink(missing_ok=True)
    database.prepare(home)
    asyncio.run(assembled(home, os.environ[MARK]).run())


if __name__ == "__main__":
    main()
