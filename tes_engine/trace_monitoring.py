"""Which functions run, by `sys.monitoring`: for Python 3.12 and later.

Each function is told of once a case, with its nearest caller that is the project's, and then costs nothing until the
next case. Uses a tool number that is nobody's (coverage, debuggers and profilers have theirs). Sees all threads.
"""

from __future__ import annotations

import sys
from types import CodeType
from typing import Any, Callable, Iterator, List, Optional, Tuple

NAME = "monitoring"
FAR = 12
"""Frames in which a caller is looked for."""
Pairs = Iterator[Tuple[Optional[int], int]]


class Tracker:
    """Collects (caller, callee) pairs of numbers from `start` on. `take` returns them once."""

    def __init__(self, number: Callable[[CodeType], Optional[int]]) -> None:
        self._number = number
        self._pairs: List[Tuple[Optional[int], int]] = []
        self._tool: Optional[int] = None
        self._monitoring: Any = getattr(sys, "monitoring")

    def start(self) -> None:
        monitoring = self._monitoring
        self._tool = next((tool for tool in (4, 3) if monitoring.get_tool(tool) is None), None)
        if self._tool is None:
            return
        monitoring.use_tool_id(self._tool, "tes")
        monitoring.register_callback(self._tool, monitoring.events.PY_START, self._began)
        monitoring.set_events(self._tool, monitoring.events.PY_START)

    def stop(self) -> None:
        if self._tool is not None:
            self._monitoring.set_events(self._tool, 0)
            self._monitoring.free_tool_id(self._tool)
            self._tool = None

    def lost(self) -> bool:
        """Whether somebody else has our place."""
        return self._tool is None or self._monitoring.get_tool(self._tool) != "tes"

    def take(self) -> Pairs:
        """Every function that ran since the last time, once: (caller or None, callee)."""
        pairs, self._pairs = self._pairs, []
        if self._tool is not None:
            self._monitoring.restart_events()
        return iter(pairs)

    def _began(self, code: CodeType, offset: int) -> Any:
        number = self._number(code)
        if number is None:
            return self._monitoring.DISABLE
        caller = None
        frame = sys._getframe(1).f_back
        for _ in range(FAR):
            if frame is None:
                break
            caller = self._number(frame.f_code)
            if caller is not None:
                break
            frame = frame.f_back
        self._pairs.append((caller, number))
        return self._monitoring.DISABLE
