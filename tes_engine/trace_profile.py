"""Which functions run, by CPython's own C profiler (the one under cProfile): for Python before 3.12.

It leaves the trace function alone, so coverage and debuggers keep working beside it, and it says who called whom. Its
times are not used. A program that profiles itself takes its place; then `lost` says so.
"""

from __future__ import annotations

import _lsprof
import sys
import threading
from types import CodeType
from typing import Any, Iterator, List, Optional, Tuple

NAME = "profile"
Pairs = Iterator[Tuple[Optional[CodeType], CodeType]]


class Tracker:
    """Collects (caller, callee) pairs of code objects from `start` on. `take` returns them once."""

    def __init__(self) -> None:
        self._main = self._new()
        self._others: List[Any] = []

    @staticmethod
    def _new() -> Any:
        return _lsprof.Profiler(subcalls=True, builtins=False)

    def start(self) -> None:
        threading.setprofile(self._thread_begins)
        self._main.enable()

    def stop(self) -> None:
        self._main.disable()
        threading.setprofile(None)

    def lost(self) -> bool:
        """Whether somebody else profiles in this thread now; then ours is put back."""
        if sys.getprofile() is self._main:
            return False
        self._main.enable()
        return True

    def take(self) -> Pairs:
        """Every call since the last time, some more than once: (caller or None, callee)."""
        for profiler in (self._main, *self._others):
            stats = profiler.getstats()
            profiler.clear()
            for entry in stats:
                yield None, entry.code
                for call in entry.calls or ():
                    yield entry.code, call.code

    def _thread_begins(self, frame: Any, event: str, arg: Any) -> None:
        profiler = self._new()
        self._others.append(profiler)
        profiler.enable()  # in this thread only, in place of this function
