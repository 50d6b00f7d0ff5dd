"""Which functions run, by `sys.monitoring`: for Python 3.12 and later.

What is not the project's costs nothing after its first call. A function of the project is looked at each time, because
who calls it second may be a cache that nobody fills again; what was seen already costs a look into a set. Uses a tool
number that is nobody's (coverage, debuggers and profilers have theirs). Sees all threads, and what goes on with a
generator that somebody else began.
"""

from __future__ import annotations

import sys
import threading
from types import CodeType
from typing import Any, Callable, Dict, Optional, Set, Tuple

NAME = "monitoring"
FAR = 12
"""Frames in which a caller is looked for."""
Pairs = Set[Tuple[Optional[int], int]]


class Tracker:
    """Collects (caller, callee) pairs of numbers from `start` on. `take` returns them once."""

    def __init__(self, number: Callable[[CodeType], Optional[int]]) -> None:
        self._number = number
        self._pairs: Pairs = set()
        self._apart: Pairs = set()
        self._seen: Dict[int, Set[int]] = {}  # a code object's identity → those of callers that are the project's
        self._tool: Optional[int] = None
        self._monitoring: Any = getattr(sys, "monitoring")
        self._main = threading.get_ident()

    def start(self) -> None:
        monitoring = self._monitoring
        self._tool = next((tool for tool in (4, 3) if monitoring.get_tool(tool) is None), None)
        if self._tool is None:
            return
        monitoring.use_tool_id(self._tool, "tes")
        events = monitoring.events
        for event, heard in ((events.PY_START, self._began), (events.PY_RESUME, self._began)):
            monitoring.register_callback(self._tool, event, heard)
        monitoring.register_callback(self._tool, events.PY_THROW, self._thrown)
        self._events = events.PY_START | events.PY_RESUME | events.PY_THROW
        monitoring.set_events(self._tool, self._events)

    def stop(self) -> None:
        if self._tool is not None:
            self._monitoring.set_events(self._tool, 0)
            self._monitoring.free_tool_id(self._tool)
            self._tool = None

    def lost(self) -> bool:
        """Whether somebody else has our place."""
        tool, monitoring = self._tool, self._monitoring
        return tool is None or monitoring.get_tool(tool) != "tes" or monitoring.get_events(tool) != self._events

    def take(self) -> Tuple[Pairs, Pairs]:
        """Every function that ran since the last time: (caller or None, callee); in the main thread, and in others."""
        pairs, self._pairs, self._seen = self._pairs, set(), {}
        apart, self._apart = self._apart, set()
        return pairs, apart

    def _began(self, code: CodeType, offset: int) -> Any:
        frame: Any = sys._getframe(1).f_back
        if frame is not None:
            callers = self._seen.get(id(code))
            if callers is not None and id(frame.f_code) in callers:
                return None
        number = self._number(code)
        if number is None:
            return self._monitoring.DISABLE
        self._note(code, number, frame)
        return None

    def _note(self, code: CodeType, number: int, frame: Any) -> None:
        caller, nearest = None, frame
        for _ in range(FAR):
            if frame is None:
                break
            caller = self._number(frame.f_code)
            if caller is not None:
                break
            frame = frame.f_back
        if threading.get_ident() != self._main:
            self._apart.add((caller, number))
            return
        self._pairs.add((caller, number))
        if caller is not None and frame is nearest:
            self._seen.setdefault(id(code), set()).add(id(frame.f_code))

    def _thrown(self, code: CodeType, offset: int, exception: BaseException) -> None:
        """A generator goes on with an exception. This event cannot be switched off for a place."""
        number = self._number(code)
        if number is not None:
            self._note(code, number, sys._getframe(1).f_back)
