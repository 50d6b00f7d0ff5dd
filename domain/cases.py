"""Test results. A case's identity is suite, file, class, name and parameters; every attempt of it is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from pydantic import Field

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
    `reused` quotes an earlier result, because nothing that the case depends on has changed. `repeat` was made to learn
    more of a case that had its result already: it decides nothing, and a bad one shows that the case is flaky.
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
    repeat: bool = False


class SetAside(Value):
    """What a quarantine means for one report: the bad cases that do not count, what is to be told of it, and why there
    are too many. `domain/quarantine.py` makes it."""

    cases: tuple[CaseId, ...] = ()
    reasons: tuple[str, ...] = ()
    over: str = ""


class SuiteReport(Value):
    """A runner's whole report. `complete` is False when it was cut off: what was read is kept, and cannot be PASS.

    `problems` are reasons not to believe it; `notes` are facts that a person wants to know and that decide nothing.
    `unlisted` counts cases that are not in `attempts`, because a report was huge; what is bad is always listed first.
    """

    suite: str
    attempts: tuple[Attempt, ...] = ()
    complete: bool = True
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    workers: int = 1
    deselected: int = 0
    unlisted: dict[Status, int] = Field(default_factory=dict)


def final(attempts: Sequence[Attempt]) -> dict[CaseId, Attempt]:
    """The last attempt of each case that decides: a repetition decides nothing."""
    last: dict[CaseId, Attempt] = {}
    for attempt in sorted(attempts, key=lambda a: (not a.repeat, a.number)):
        last[attempt.case] = attempt
    return last


def judge(report: SuiteReport, quarantined: SetAside | None = None) -> Verdict:
    """PASS when a case passed, none is bad in the end, and the report is whole. "Passed on retry" is told.

    A case that the quarantine sets aside does not fail the suite, and is told; with too many of them it is
    INCONCLUSIVE.
    """
    aside = quarantined or SetAside()
    excused = set(aside.cases)
    last = final(report.attempts)
    counts = Counter(attempt.status for attempt in last.values())
    counts.update(report.unlisted)
    first_bad: dict[CaseId, Attempt] = {}  # in order: the words must not vary
    for attempt in report.attempts:
        if attempt.status.bad:
            first_bad.setdefault(attempt.case, attempt)
    flaky = [case for case in first_bad if not last[case].status.bad]
    bad = [attempt for attempt in last.values() if attempt.status.bad]
    counted = [attempt for attempt in bad if attempt.case not in excused]
    metrics = {status.value: float(counts.get(status, 0)) for status in Status}
    metrics |= {"cases": float(counts.total()), "flaky": float(len(flaky)), "seconds": report.seconds}
    metrics["quarantined"] = float(len(bad) - len(counted))
    told = ", ".join(f"{counts[s]} {s}" for s in Status if counts.get(s)) or "no case"
    reasons = [f"{told} in {report.seconds:.1f} s"]
    retried = [case for case in flaky if not first_bad[case].repeat]
    if retried:
        reasons.append(f"{len(retried)} passed only on retry, the first: {retried[0]}")
    if len(flaky) > len(retried):
        again = [case for case in flaky if first_bad[case].repeat]
        reasons.append(f"{len(again)} passed and failed when repeated, the first: {again[0]}")
    reasons += aside.reasons
    unlisted = sum(count for status, count in report.unlisted.items() if status.bad)
    if unlisted and not counted:
        outcome = Outcome.FAIL
        reasons.append(f"{unlisted} bad cases are not listed")
    elif counted:
        outcome = Outcome.FAIL
        said = counted[0].message.splitlines()[0] if counted[0].message else counted[0].status
        reasons.append(f"first bad: {counted[0].case}: {said}")
    elif not report.complete or report.problems:
        outcome = Outcome.INCONCLUSIVE
        reasons += report.problems or ("the report is cut off",)
    elif not counts.get(Status.PASSED) and not counts.get(Status.XFAILED):
        outcome = Outcome.INCONCLUSIVE
        reasons.append("no case passed, so nothing was proved")
    elif bad and aside.over:
        outcome = Outcome.INCONCLUSIVE
        reasons.append(aside.over)
    else:
        outcome = Outcome.PASS
    return Verdict(gate=f"tests.{report.suite}", outcome=outcome, reasons=tuple(reasons), metrics=metrics)
