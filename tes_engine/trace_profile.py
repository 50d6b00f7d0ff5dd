"""Which functions run, by CPython's own C profiler (the one under cProfile): for Python before 3.12.

It leaves the trace function alone, so coverage and debuggers keep working beside it, and it says who called whom. Its
times are not used. A program that profiles itself takes its place; then `lost` says so. Of what is still running when
it is asked it says nothing: that is for the recorder to see (`impact_beside`).
"""

from __future__ import annotations

import _lsprof
import sys
import threading
from typing import Any, List, Tuple

NAME = "profile"


class Tracker:
    """Notes each function that is called from `start` on, and by whom. `take` returns them once."""

    def __init__(self) -> None:
        self._main = self._new()
        self._others: List[Tuple[int, Any]] = []

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
        """Whether somebody else profiles in this thread, or in new ones, now; then ours is put back."""
        threads = getattr(threading, "_profile_hook", None) == self._thread_begins
        if not threads:
            threading.setprofile(self._thread_begins)
        if sys.getprofile() is self._main:
            return not threads
        self._main.enable()
        return True

    def take(self) -> Tuple[List[Any], List[Any]]:
        """What was called since the last time: entries of a `code` and its `calls` (of a `code` each) or None; in the
        main thread, and in others."""
        found: List[Any] = self._main.getstats()
        self._main.clear()
        apart: List[Any] = []
        if self._others:
            living = sys._current_frames()
            for _, profiler in self._others:
                apart += profiler.getstats()
                profiler.clear()
            for thread, profiler in self._others:
                if thread not in living:
                    # It would take the profiler off whatever thread it is freed in, which is this one.
                    profiler.disable()
                    self._main.enable()
            self._others = [(thread, profiler) for thread, profiler in self._others if thread in living]
        return found, apart

    def _thread_begins(self, frame: Any, event: str, arg: Any) -> None:
        profiler = self._new()
        self._others.append((threading.get_ident(), profiler))
        profiler.enable()  # in this thread only, in place of this function
