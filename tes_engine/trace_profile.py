"""Which functions run, by CPython's own C profiler (the one under cProfile): for Python before 3.12.

It leaves the trace function alone, so coverage and debuggers keep working beside it, and it says who called whom. Its
times are not used. A program that profiles itself takes its place; then `lost` says so.
"""

from __future__ import annotations

import _lsprof
import sys
import threading
from typing import Any, List

NAME = "profile"


class Tracker:
    """Notes each function that is called from `start` on, and by whom. `take` returns them once."""

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

    def take(self) -> List[Any]:
        """What was called since the last time: entries of a `code` and its `calls` (of a `code` each) or None."""
        found: List[Any] = []
        for profiler in (self._main, *self._others):
            found += profiler.getstats()
            profiler.clear()
        return found

    def _thread_begins(self, frame: Any, event: str, arg: Any) -> None:
        profiler = self._new()
        self._others.append(profiler)
        profiler.enable()  # in this thread only, in place of this function
