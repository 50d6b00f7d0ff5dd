"""Test results. A case's identity is suite, file, class, name and parameters; every attempt of it is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from domain.verdict import Outcome, Value, Verdict


class Status(StrEnum):
    """What happened to one attempt."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    XPASSED = "xpassed"
    CRASHED = "crashed"

    @property
    def bad(self) -> bool:
        return self in (Status.FAILED, Status.ERROR, Status.CRASHED)


class CaseId(Value):
    """Who a case is. `name` carries the parameters, as the framework prints them."""

    suite: str
    file: str = ""
    classname: str = ""
    name: str

    def __str__(self) -> str:
        return "::".join(part for part in (self.file, self.classname, self.name) if part)


class Attempt(Value):
    """One go at one case.

    `started` is in seconds since the epoch, 0 when the framework does not say. `worker` is the process that ran it.
    `reused` quotes an earlier result, because nothing that the case depends on has changed.
    """

    case: CaseId
    status: Status
    seconds: float = 0.0
    message: str = ""
    output: str = ""
    number: int = 1
    started: float = 0.0
    worker: str = ""
    reused: bool = False


class SuiteReport(Value):
    """A runner's whole report. `complete` is False when it was cut off: what was read is kept, and cannot be PASS.

    `problems` are reasons not to believe it; `notes` are facts that a person wants to know and that decide nothing.
    """

    suite: str
    attempts: tuple[Attempt, ...] = ()
    complete: bool = True
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    workers: int = 1
    deselected: int = 0


def final(attempts: Sequence[Attempt]) -> dict[CaseId, Attempt]:
    """The last attempt of each case."""
    last: dict[CaseId, Attempt] = {}
    for attempt in sorted(attempts, key=lambda a: a.number):
        last[attempt.case] = attempt
    return last


def judge(report: SuiteReport) -> Verdict:
    """PASS when a case passed, none is bad in the end, and the report is whole. "Passed on retry" is told."""
    last = final(report.attempts)
    counts = Counter(attempt.status for attempt in last.values())
    first_bad = dict.fromkeys(a.case for a in report.attempts if a.status.bad)  # in order: the words must not vary
    flaky = [case for case in first_bad if not last[case].status.bad]
    metrics = {status.value: float(counts.get(status, 0)) for status in Status}
    metrics |= {"cases": float(len(last)), "flaky": float(len(flaky)), "seconds": report.seconds}
    bad = [attempt for attempt in last.values() if attempt.status.bad]
    told = ", ".join(f"{counts[s]} {s}" for s in Status if counts.get(s)) or "no case"
    reasons = [f"{told} in {report.seconds:.1f} s"]
    if flaky:
        reasons.append(f"{len(flaky)} passed only on retry, the first: {flaky[0]}")
    if bad:
        outcome = Outcome.FAIL
        reasons.append(
            f"first bad: {bad[0].case}: {bad[0].message.splitlines()[0] if bad[0].message else bad[0].status}"
        )
    elif not report.complete or report.problems:
        outcome = Outcome.INCONCLUSIVE
        reasons += report.problems or ("the report is cut off",)
    elif not counts.get(Status.PASSED) and not counts.get(Status.XFAILED):
        outcome = Outcome.INCONCLUSIVE
        reasons.append("no case passed, so nothing was proved")
    else:
        outcome = Outcome.PASS
    return Verdict(gate=f"tests.{report.suite}", outcome=outcome, reasons=tuple(reasons), metrics=metrics)
