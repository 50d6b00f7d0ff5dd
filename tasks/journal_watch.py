"""How far a running suite is, read from the engine's journal while it is written."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from toolchain.reports.journal import Tail

EVERY = 1.0
Tell = Callable[[int, int], None]


class Count:
    """The sum over shards of what is done and of what there is; `expected` cases of each, until it is known."""

    def __init__(self, tell: Tell, expected: Mapping[int, int]) -> None:
        self._tell, self._shards = tell, {number: (0, total) for number, total in expected.items()}

    def of(self, number: int) -> Tell:
        """What one shard tells."""

        def tell(done: int, total: int) -> None:
            expected = self._shards[number][1]
            self._shards[number] = (done, max(total, done, expected if done < expected else 0))
            self._tell(sum(d for d, _ in self._shards.values()), sum(t for _, t in self._shards.values()))

        return tell


@contextlib.asynccontextmanager
async def watching(journal: Path, tell: Tell, every: float = EVERY) -> AsyncIterator[None]:
    """Tells, each time something is new in the journal, how many cases have a result and how many are known."""
    looking = asyncio.create_task(_look(journal, tell, every))
    try:
        yield
    finally:
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking


async def _look(journal: Path, tell: Tell, every: float) -> None:
    tail, done, total = Tail(str(journal)), set[str](), dict[int, int]()
    while True:
        await asyncio.sleep(every)
        try:
            found = await asyncio.to_thread(lambda: list(tail.new()))
        except (OSError, ValueError):  # not there yet, or damaged: the parser will say so
            continue
        for _, events in found:
            for event in events:
                if event.get("e") == "result":
                    done.add(str(event.get("id")))
                elif event.get("e") == "file":
                    total.setdefault(int(event.get("b", -1)), int(event.get("n", 0)))
        if found:
            tell(len(done), sum(total.values()))
