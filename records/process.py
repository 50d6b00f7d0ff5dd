"""Which process walks a run, so that one whose process is gone can be told from one at work."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

import psutil

# Start times come from the clock ticks of the kernel: the same process is never further apart than this, in seconds.
_SAME = 2.0


@dataclass(frozen=True)
class Process:
    """A process anywhere: a pid alone is used again, so its start (seconds since the epoch) belongs to it."""

    pid: int
    host: str
    started: float

    def alive(self) -> bool | None:
        """True, False, or None when it is on another host and cannot be seen from here."""
        if self.host != socket.gethostname():
            return None
        try:
            process = psutil.Process(self.pid)
            return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - self.started) < _SAME
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True


def this() -> Process:
    pid = os.getpid()
    return Process(pid=pid, host=socket.gethostname(), started=psutil.Process(pid).create_time())
