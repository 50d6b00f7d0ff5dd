"""Tells whoever listens how a run goes: the terminal of the command that started it, or nobody in a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from domain.progress import Phase, Progress
from domain.report import GroupReport, Report, Stage

Event = Progress | Report | GroupReport
Listener = Callable[[Event], None]

_listeners: list[Listener] = []
_service: ContextVar[str] = ContextVar("service", default="")


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Calls `listener` for everything told inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def naming(service: str) -> Iterator[None]:
    """What is told inside the block is of this service: several go on side by side. An empty name changes nothing."""
    before = _service.set(service or _service.get())
    try:
        yield
    finally:
        _service.reset(before)


def tell(event: Event) -> None:
    """Passes an event on."""
    if isinstance(event, Progress) and _service.get():
        event = event.model_copy(update={"service": _service.get()})
    for listener in _listeners:
        listener(event)


def began(stage: str) -> None:
    tell(Progress(stage=stage, phase=Phase.STARTED))


def working(stage: str, text: str, done: int = 0, total: int = 0) -> None:
    tell(Progress(stage=stage, phase=Phase.WORKING, text=text, done=done, total=total))


def done(step: str, text: str) -> None:
    """A step that gives no verdict is over."""
    tell(Progress(stage=step, phase=Phase.FINISHED, text=text))


def ended(stage: Stage) -> None:
    tell(
        Progress(
            stage=stage.name,
            phase=Phase.FINISHED,
            text=stage.verdict.reasons[0] if stage.verdict.reasons else "",
            outcome=stage.verdict.outcome,
            reused=stage.verdict.reused,
            seconds=stage.seconds,
        )
    )
