"""`tes test --watch`: again whenever a file changes, what failed and what the change touches first.

A run is whatever `go` does with a wish. Behind it, `tasks.resident` has a process that has imported the libraries,
which is never used for a verdict in CI.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cli.testing.changes import Changes
from cli.testing.run import Result
from cli.testing.wish import Wish
from domain.errors import TesError

EVERY_S = 0.3
# Editors write a file in several steps, and a checkout changes many: wait until it is quiet.
QUIET_S = 0.05
ALL, FAILED, QUIT = "\n", "f", "q"
HELP = "watching: Enter runs all, f what failed, q quits"

Go = Callable[[Wish], Result]


def watch(root: str, wish: Wish, go: Go) -> Result | None:
    """Runs until a person quits or stops it; the last result, None when none came to an end."""
    changes = Changes(root)
    last: Result | None = None
    following = wish._replace(changed=True)
    while True:
        _clear()
        try:
            last = go(following)
        except TesError as error:  # a mistake in tes.yaml, say: it can be repaired while we wait
            print(f"tes: {error}", file=sys.stderr)
        if last is not None and last.stopped:
            return last
        changed = changes.after_run()
        with _keys() as pressed:
            print(HELP, flush=True)
            key = "" if changed else _next(changes, pressed)
        if key == QUIT:
            return last
        following = _following(key, wish, last)


def _following(key: str, wish: Wish, last: Result | None) -> Wish:
    """What to run next. By itself: what failed, and what a change can affect."""
    if key == ALL:
        return wish._replace(changed=True, everything=True)
    bad = failed(last) if key == FAILED and last is not None else ()
    return wish._replace(changed=False, selection=bad) if bad else wish._replace(changed=True)


def failed(result: Result) -> tuple[str, ...]:
    """The node ids of what is bad, over all suites."""
    from tasks.suite_result import bad

    return tuple(str(one.case) for tested in result.suites if tested.report is not None for one in bad(tested.report))


def _next(changes: Changes, pressed: Callable[[float], str]) -> str:
    """Waits for a key that means something, which is returned, or for a change: then the empty string."""
    while True:
        key = pressed(EVERY_S)
        if key in (ALL, FAILED, QUIT):
            return key
        if changes.look():
            time.sleep(QUIET_S)
            while changes.look():
                time.sleep(QUIET_S)
            return ""


def _clear() -> None:
    if sys.stdout.isatty():
        print("\x1b[2J\x1b[3J\x1b[H", end="", flush=True)


def _no_key(seconds: float) -> str:
    time.sleep(seconds)
    return ""


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """A function that waits so many seconds for a key; "" when none came. Without a terminal it only waits."""
    if not sys.stdin.isatty():
        yield _no_key
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def pressed(seconds: float) -> str:
        if not select.select([descriptor], [], [], seconds)[0]:
            return ""
        read = os.read(descriptor, 1).decode("utf-8", "replace")
        return read.replace("\r", "\n").lower() or QUIT

    try:
        tty.setcbreak(descriptor, termios.TCSADRAIN)
        yield pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
