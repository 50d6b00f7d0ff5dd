"""A process by pid *and* start time: pids are reused, and nobody may end a process that is not theirs."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

MARK = "TES_RUNTIME"


@dataclass(frozen=True)
class ProcessId:
    """`started` is opaque: equal for the same process, different for any other that has had or will have the pid."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        return identify(self.pid) == self


def identify(pid: int) -> ProcessId | None:
    """The process that has this pid now; None when there is none or only its zombie."""
    if sys.platform == "linux":
        # Ticks since boot do not move with the clock, as psutil's create_time() does when the time is set.
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else ProcessId(pid, f"{_boot()}/{fields[19]}")
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else ProcessId(pid, str(process.create_time()))
    except psutil.NoSuchProcess:
        return None


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text()[:8]


def marked(runtime: str, session: int) -> list[ProcessId]:
    """The processes of this session which carry the runtime's mark in their environment.

    Both are asked for: the mark is inherited by services that a flow deployed, which must outlive the runtime but have
    left the session; a session's number may have been taken by a stranger, who has no mark.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.Error):
            if os.getsid(process.pid) == session and process.environ().get(MARK) == runtime:
                if identity := identify(process.pid):
                    found.append(identity)
    return found


def send(process: ProcessId, number: signal.Signals) -> bool:
    """Signal this very process; False when it is gone."""
    if not process.alive:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)
        return True
    return False
