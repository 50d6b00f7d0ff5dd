"""What a person answered before the run began, in the process that they started. Imports nothing heavy: the command
asks before it loads anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from domain.approval import Answer

_given: list[Answer] = []


@contextmanager
def given(answer: Answer | None) -> Iterator[None]:
    """While it lasts, this is the answer to whoever asks in this process; None: it must be asked for."""
    if answer is None:
        yield
        return
    _given.append(answer)
    try:
        yield
    finally:
        _given.remove(answer)


def latest() -> Answer | None:
    """The answer that was given, if any."""
    return _given[-1] if _given else None
