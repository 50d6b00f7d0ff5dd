"""Processes that end together: a tool, and all that it started. Standard library only, and little of that."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>


def dies_with_parent() -> Callable[[], None] | None:
    """For `preexec_fn`: the child is killed when we die, whatever kills us. None where the system cannot do that."""
    if sys.platform != "linux":
        return None
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def ask() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died between the fork and the call
            os._exit(1)

    return ask


def kill_group(pid: int, number: signal.Signals) -> None:
    """Signals a whole process group; one that has gone already is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
