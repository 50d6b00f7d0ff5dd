"""This machine's processors, handed out: whatever runs side by side, there are never more test processes than these."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import AsyncIterator


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Cores:
    """First come, first served; who asks for more than there are gets all."""

    def __init__(self, total: int) -> None:
        self.total = self._free = total
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @contextlib.asynccontextmanager
    async def held(self, wanted: int) -> AsyncIterator[int]:
        """Holds `wanted` processors, once they are free; gives how many these are."""
        wanted = max(1, min(wanted, self.total))
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, turn))
        self._serve()
        try:
            await turn
            yield wanted
        finally:
            if turn.done() and not turn.cancelled():
                self._free += wanted
            self._waiting = deque(entry for entry in self._waiting if entry[1] is not turn)
            self._serve()

    def _serve(self) -> None:
        while self._waiting and (self._waiting[0][1].done() or self._waiting[0][0] <= self._free):
            wanted, turn = self._waiting.popleft()
            if not turn.done():
                self._free -= wanted
                turn.set_result(None)


CORES = Cores(processors())


def share(shards: int, workers: int | None, total: int) -> int:
    """Workers of each of some shards on a machine of `total` processors: what the suite says, else an equal part."""
    return max(1, min(workers or total // max(1, min(shards, total)), total))
