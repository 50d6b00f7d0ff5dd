"""The end of a process. Python takes everything apart before it goes, which the system does at once: of a short run
that is 10 ms, of a large suite a tenth of a second. It is spared where nobody can be waiting for it."""

from __future__ import annotations

import atexit
import fcntl
import os
import stat
import sys
import threading
import traceback
from typing import Optional

DESCRIPTORS = "/proc/self/fd"


def leave(code: int, out: Optional[str] = None) -> None:
    """Ends the process with this exit code, if that is safe: returns where a thread lives, or a file outside of `out`
    is open for writing, whose last lines may be waiting for Python to close it."""
    if threading.active_count() > 1 or _writes(out):
        return
    try:
        atexit._run_exitfuncs()
    except BaseException:
        traceback.print_exc()  # as Python does: it changes nothing
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # closed, or nobody reads it any more
            continue
    os._exit(code)


def _writes(out: Optional[str]) -> bool:
    """Whether anything but the standard streams and what is in `out` can still be written to; True if unknown."""
    try:
        for name in os.listdir(DESCRIPTORS):
            path = f"{DESCRIPTORS}/{name}"
            if int(name) > 2 and os.path.exists(path) and stat.S_ISREG(os.stat(path).st_mode):
                writes = fcntl.fcntl(int(name), fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
                if writes and not (out and os.readlink(path).startswith(os.path.join(out, ""))):
                    return True
    except OSError:
        return True
    return False
