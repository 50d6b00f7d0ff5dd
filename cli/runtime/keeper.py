"""Runs one child again and again, on the same port, with a growing pause while it does not last."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from cli.runtime import log
from cli.runtime.children import Child
from cli.runtime.process import identify
from cli.runtime.state import State

FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S = 0.2, 30.0, 30.0
logger = logging.getLogger("supervisor")


class Keeper:
    """`stop` asks it to end the child and to return; `save` is called whenever there is news in the state."""

    def __init__(self, child: Child, state: State, pipe: int, save: Callable[[], None]) -> None:
        self.child, self.state, self.pipe, self.save = child, state, pipe, save
        self.told = state.children[child.name]
        self.stop = asyncio.Event()
        self.output = log.rotating(log.logs(state.home) / f"{child.name}.log")

    async def keep(self) -> None:
        """Until `stop` is set and the child has ended."""
        pause = FIRST_PAUSE_S
        while not self.stop.is_set():
            begun = time.monotonic()
            try:
                await self._live()
            except OSError as error:
                # No memory, no process slot, no disk: that may pass, and giving up would leave the child to nobody.
                logger.error("%s cannot be started: %s", self.child.name, error)
            if self.stop.is_set():
                break
            pause = FIRST_PAUSE_S if time.monotonic() - begun > STEADY_S else min(pause * 2, LONGEST_PAUSE_S)
            self.told.status, self.told.restarts = "restarting", self.told.restarts + 1
            self.save()
            ended = self.told.last_exit
            logger.warning("%s ended with %s; starting it again in %.1f s", self.child.name, ended, pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), pause)
        self.told.status = "stopped"
        self.save()
        self.output.close()

    async def _live(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *self.child.argv(self.pipe),
            env=self.child.environment(self.state),
            cwd=self.state.home,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=(self.pipe, *self.child.descriptors),
            process_group=0,
        )
        assert process.stdout is not None
        output = asyncio.create_task(log.pump(process.stdout, self.output))
        self.told.process, self.told.status, self.told.since = identify(process.pid), "running", now()
        self.save()
        await self._ended_or_stopped(process)
        self.told.last_exit, self.told.process = process.returncode, None
        # A flow run that its worker left behind still writes here, so that its end is not waited for.
        await asyncio.wait([output], timeout=0.5)

    async def _ended_or_stopped(self, process: asyncio.subprocess.Process) -> None:
        ended, told = asyncio.create_task(process.wait()), asyncio.create_task(self.stop.wait())
        await asyncio.wait([ended, told], return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if ended.done():
            return
        process.terminate()
        await asyncio.wait([ended], timeout=self.child.grace)
        if not ended.done():
            logger.warning("%s did not stop within %.0f s; killing it", self.child.name, self.child.grace)
            process.kill()
            await ended


def now() -> str:
    """The time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
