"""Reads what our reporters for Mocha and Node write while cases run: one JSON object a line, as the engine's journal.

A line that has no end was being written when the process died. Whatever came before it counts.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from domain.cases import Attempt, CaseId, Status
from toolchain.command import Ran
from toolchain.reports import trusted
from toolchain.runners._javascript import MAX_NAME, Read, plain

LIMIT = 1 << 30
"""Bytes. More is not read, and makes the report incomplete."""

# What Node's runner still says of a case when we stop it: that it did not end is our doing.
_STOPPED = ("its process ended before the case did", "its process died of SIGTERM")


class Event(trusted.Report):
    """One line. `t` is in seconds since the epoch, `d` in seconds: set-up, call, tear-down."""

    e: str
    id: str = ""
    f: str = ""
    c: str = ""
    name: str = ""
    n: int = Field(1, ge=0, le=1_000_000)
    o: Status = Status.ERROR
    t: float = Field(0.0, ge=0)
    d: tuple[float, ...] = ()
    msg: str = ""
    out: str = ""
    text: str = ""
    collected: int | None = None
    ran: int = 0


def read(path: Path | None, suite: str, ran: Ran) -> Read:
    """What was written. A case that had begun when the process died is CRASHED; at a time-out it is only named."""
    results: dict[tuple[str, int], Attempt] = {}
    begun: dict[str, Event] = {}
    problems: list[str] = []
    notes: list[str] = []
    empty: list[str] = []
    end: Event | None = None
    for event in _events(path, problems):
        match event.e:
            case "start":
                begun[event.id] = event
            case "result":
                attempt = _attempt(suite, event)
                # Mocha may say of one attempt that it passed and then that it failed: done() was called twice.
                if (at := (event.id, event.n)) not in results or attempt.status.bad:
                    results[at] = attempt
                begun.pop(event.id, None)
            case "file" if event.n == 0:
                empty.append(event.f)
            case "note":
                notes.append(plain(event.text))
            case "problem":
                problems.append(plain(event.text))
            case "end":
                end = event
    stopped = [at for at, attempt in results.items() if ran.timed_out and attempt.message in _STOPPED]
    for at in stopped:
        del results[at]
    attempts = list(results.values())
    last = list(begun.values())[-1] if begun and end is None else None
    if last is not None and not ran.timed_out and last.name:
        how = f"signal {-ran.exit_code}" if ran.exit_code and ran.exit_code < 0 else f"exit code {ran.exit_code}"
        case = CaseId(suite=suite, file=last.f, classname=last.c, name=last.name)
        message = f"the process ended in this case ({how})"
        attempts.append(Attempt(case=case, status=Status.CRASHED, message=message, number=last.n, started=last.t))
    if end is None and not problems:
        problems.append("the report is cut off: the run did not come to its end")
    elif end is not None and end.collected is not None and end.ran < end.collected:
        if not any(attempt.status.bad for attempt in attempts):
            problems.append(f"{end.collected} cases were found and {end.ran} reported")
    return Read(
        attempts=tuple(attempts),
        complete=end is not None,
        problems=tuple(problems),
        notes=tuple(notes),
        empty=tuple(empty),
        running=last.id if last else next((name for name, _ in stopped), ""),
    )


def _events(path: Path | None, problems: list[str]) -> list[Event]:
    events: list[Event] = []
    size = 0
    try:
        with (path or Path("/nowhere")).open("rb") as file:
            for number, line in enumerate(file, 1):
                size += len(line)
                if size > LIMIT:
                    problems.append(f"the report is larger than {LIMIT} bytes; the rest was not read")
                    return [event for event in events if event.e != "end"]
                if not line.endswith(b"\n"):
                    break
                try:
                    events.append(Event.model_validate_json(line))
                except ValidationError:
                    problems.append(f"line {number} of the report cannot be read")
    except FileNotFoundError:
        problems.append("there is no report")
    except OSError as error:
        problems.append(f"the report cannot be read: {error.strerror}")
    if not size and not problems:
        problems.append("the report is empty")
    return events


def _attempt(suite: str, event: Event) -> Attempt:
    message = plain(event.msg)
    return Attempt(
        case=CaseId(suite=suite, file=event.f, classname=event.c[:MAX_NAME], name=event.name[:MAX_NAME] or "(empty)"),
        status=event.o,
        seconds=max(0.0, sum(event.d)),
        message=message,
        output=plain(event.out) or message,
        number=max(1, event.n),
        started=event.t,
    )
