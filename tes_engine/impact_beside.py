"""What goes on beside the case: other threads, and processes, however they were started.

Audit events tell of most processes and not of all (`multiprocessing` starts its own without one). The system knows:
a child that lives can be waited for, and one that was waited for has added its faults to those of all children.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from typing import Any, Iterator, Optional, Tuple

_WAIT = getattr(os, "WEXITED", 0) | getattr(os, "WNOHANG", 0) | getattr(os, "WNOWAIT", 0)


class Processes:
    """Whether there are child processes, or there were since the last look."""

    def __init__(self) -> None:
        self.used: Optional[Tuple[Any, ...]] = None
        self.pid = 0

    def any(self) -> bool:
        used = tuple(resource.getrusage(resource.RUSAGE_CHILDREN))
        gone = self.pid == os.getpid() and used != self.used
        self.pid, self.used = os.getpid(), used
        return gone or _alive()


def _alive() -> bool:
    if not hasattr(os, "waitid"):
        return False
    try:
        os.waitid(os.P_ALL, 0, _WAIT)
    except ChildProcessError:
        return False
    return True


def others() -> Iterator[Any]:
    """The code objects that other threads are in, outermost last."""
    frames = sys._current_frames()
    if len(frames) == 1:
        return
    mine = threading.get_ident()
    for thread, frame in frames.items():
        while thread != mine and frame is not None:
            yield frame.f_code
            frame = frame.f_back  # type: ignore[assignment]


def above() -> Iterator[Any]:
    """The code objects that this thread is in."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        yield frame.f_code
        frame = frame.f_back
