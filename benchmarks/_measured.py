"""One command with all that it starts: its wall time, its processor time, its memory."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

EVERY = 0.3
"""Seconds between two looks at the memory. Each costs a millisecond or two, in every mode alike."""


@dataclass(frozen=True)
class Measured:
    """`cpu` are seconds, user and system, of the process and of all descendants that somebody waited for. `peak` is the
    largest seen sum of their proportional set sizes, in MB: pages that are shared count once; 0 where none was seen.
    `late` is one that took longer than it may, and was killed."""

    code: int
    wall: float
    cpu: float
    peak: float
    load: tuple[float, float]
    late: bool = False

    def told(self) -> dict[str, Any]:
        return asdict(self)


def measured(
    argv: Sequence[str], folder: Path, environment: Mapping[str, str], *, limit: float = 300.0, log: Path | None = None
) -> Measured:
    """Runs a command to its end, or for `limit` seconds: all of it is killed then."""
    before = os.getloadavg()[0]
    peak = [0.0]
    over = threading.Event()
    with open(log or os.devnull, "wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        watcher = threading.Thread(target=_watch, args=(process.pid, over, peak), daemon=True)
        watcher.start()
        late = threading.Timer(limit, _end, (process.pid,))
        late.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    late.cancel()
    over.set()
    watcher.join()
    cpu = usage.ru_utime + usage.ru_stime
    return Measured(process.returncode, wall, cpu, peak[0], (before, os.getloadavg()[0]), wall >= limit)


def children(pid: int) -> list[int]:
    """The living children of a process (Linux); none of one that is gone. Any of them may end at any moment."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    found: list[int] = []
    for thread in threads:
        try:
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
        except OSError:
            continue
    return [one for one in found if _lives(one)]


def _lives(pid: int) -> bool:
    """Whether a process is there and has not ended (one that nobody has waited for yet is no more than a name)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1] not in ("Z", "X", "")
    except OSError:
        return False


def _end(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def _watch(pid: int, over: threading.Event, peak: list[float]) -> None:
    wait = 0.1
    while not over.wait(wait):
        wait, total, todo = EVERY, 0.0, [pid]
        while todo:
            one = todo.pop()
            todo += children(one)
            total += _pss(one)
        peak[0] = max(peak[0], total)


def _pss(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/smaps_rollup").read_text().partition("\nPss:")[2].split()[0]) / 1024
    except (OSError, IndexError):
        return 0.0
