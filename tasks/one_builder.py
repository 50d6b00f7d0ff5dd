"""A file lock for what several runs may want to make at once: it dies with its holder, and who waits blocks no loop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
from collections.abc import AsyncIterator
from pathlib import Path

LOOK_S = 0.1


@contextlib.asynccontextmanager
async def one_builder(lock: Path) -> AsyncIterator[None]:
    """Holds the lock, of which there is one for each file, when it is free."""
    with lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(LOOK_S)
        yield
