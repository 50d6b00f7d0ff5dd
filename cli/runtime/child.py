"""Runs a module as a child of the supervisor, and ends with it: `python -m cli.runtime.child FD MODULE ARG...`.

FD is the reading end of a pipe whose writing end only the supervisor has. When that ends, by whatever signal, the
kernel closes it, and this process asks itself to stop, and then makes its whole group stop: children never pile up
without anybody to watch them. (PR_SET_PDEATHSIG does the same on Linux alone.)
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

GRACE_S = 8.0


def _follow(descriptor: int) -> None:
    while os.read(descriptor, 1):
        continue
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    """Reset what a shell may have left behind, follow the supervisor, become the module."""
    descriptor, module, *arguments = int(sys.argv[1]), *sys.argv[2:]
    os.set_inheritable(descriptor, False)
    # A runtime started with `&` from a script inherits SIGINT ignored, and Prefect's worker then never stops.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    threading.Thread(target=_follow, args=(descriptor,), daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
