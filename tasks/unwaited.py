"""Threads that nobody waits for. Python's own keep an event loop, and then the process, until each has returned: one
that asks a silent server makes a command that has said all it knows stay for minutes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Unwaited(ThreadPoolExecutor):  # asyncio takes no other kind as a loop's default
    """A thread for each call. Only for what may be cut off anywhere: the end of the process ends it."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Calls it in a thread of its own; its result."""
        future: Future[R] = Future()
        threading.Thread(target=_call, args=(future, fn, args, kwargs), daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing is waited for."""


def _call(future: Future[R], fn: Callable[..., R], args: Any, kwargs: Any) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(fn(*args, **kwargs))
    except BaseException as error:  # the caller's to judge, as with any executor
        future.set_exception(error)
