"""One start and one supervisor a home, by flock: the kernel lets go of it when its holder dies, whatever killed it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

from domain.errors import LockHeld, SpecError


def take(path: Path) -> int | None:
    """The descriptor that holds the lock as long as it is open (children do not inherit it); None when it is held."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SpecError(
            f"TES_HOME={path.parent} cannot be used: {error.strerror}",
            fix="set TES_HOME to a folder that you can write",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@contextlib.asynccontextmanager
async def held(path: Path, timeout: float) -> AsyncIterator[None]:
    """Hold the lock, waiting up to `timeout` seconds for another holder; then `LockHeld`."""
    deadline = time.monotonic() + timeout
    while (descriptor := take(path)) is None:
        if time.monotonic() > deadline:
            raise LockHeld(
                f"another tes command has been starting or stopping the runtime for {timeout:.0f} s ({path})",
                fix="wait for it, or end it: `fuser` on the lock file names its pid",
            )
        await asyncio.sleep(0.05)
    try:
        yield
    finally:
        os.close(descriptor)
