"""A process that has imported the project's libraries, and forks an engine whenever it is asked: `tes test --watch`.

Nothing of the project is ever imported here, so that nothing in an engine can be older than its files. Orders come as
lines of JSON on stdin; answers go to stdout: `ready` or `refused` once, then for each order `pid` and `code` (negative
for a signal), or `stale` when it must not be used any more.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from typing import Any, Dict, Optional

from .preload import Shelf, threads


def serve() -> int:
    """Until stdin ends. Returns 0, and in each engine that it forks the exit code of that."""
    orders, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    os.close(nothing)
    import pytest  # noqa: F401

    lines = _Lines(orders)
    first = lines.next()
    if first is None:
        return 0
    shelf = Shelf(first["root"], set(first["avoid"]))
    left = shelf.fill(first["names"])
    if threads() > 1 or shelf.stale():
        _say(answers, {"refused": f"threads: {threads()}, module: {shelf.wrong()!r}"})
        return 0
    _say(answers, {"ready": len(sys.modules), "left": left})
    while True:
        order = lines.next()
        if order is None:
            return 0
        if shelf.stale():
            _say(answers, {"stale": True})
            return 0
        pid = os.fork()
        if not pid:
            os.close(orders)
            _become(order, answers)
            from .main import main

            return main(order["argv"])
        _, status = os.waitpid(pid, 0)
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        _say(answers, {"code": code})


class _Lines:
    """Whole lines of a pipe."""

    def __init__(self, pipe: int) -> None:
        self.pipe, self.kept = pipe, b""

    def next(self) -> Optional[Dict[str, Any]]:
        """The next order; None at the end of the pipe."""
        while b"\n" not in self.kept:
            select.select([self.pipe], [], [])
            read = os.read(self.pipe, 1 << 16)
            if not read:
                return None
            self.kept += read
        line, _, self.kept = self.kept.partition(b"\n")
        order: Dict[str, Any] = json.loads(line)
        return order


def _say(pipe: int, answer: Dict[str, Any]) -> None:
    os.write(pipe, json.dumps(answer).encode() + b"\n")


def _become(order: Dict[str, Any], answers: int) -> None:
    """The forked process, as one that was started with these words."""
    _end_with(os.getppid())
    os.setsid()
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environment"])
    for number, word in ((1, "stdout"), (2, "stderr")):
        file = os.open(order[word], os.O_WRONLY | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    sys.path.insert(0, order["cwd"])
    # Only now can the whole group be killed: whoever hears the number may do so.
    _say(answers, {"pid": os.getpid()})
    os.close(answers)


def _end_with(parent: int) -> None:
    """It is killed when the resident is."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG of <sys/prctl.h>
    if os.getppid() != parent:
        os._exit(1)
