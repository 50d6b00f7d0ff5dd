"""What the records remember of a project's cases, without Prefect: the flows, `tes test` and `tes flaky` ask alike."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC

from domain.cases import CaseId, SetAside, SuiteReport, final
from domain.flakiness import Assessment, State, assess
from domain.quarantine import set_aside
from domain.spec import Quarantine
from domain.trend import TrendPoint
from domain.verdict import Outcome
from records.read.history import counted, histories, suspects
from records.read.quarantine import quarantines
from records.read.trend import trend

_ORDER = (State.BROKEN, State.FLAKY, State.UNKNOWN, State.STABLE)


def assessed(project: str, suite: str | None = None, *, limit: int = 1000) -> dict[CaseId, Assessment]:
    """Every case that failed in the project's latest runs, and what its history says."""
    found = suspects(project, suite, limit=limit)
    seen = histories(project, (one.id for one in found))
    return {one.case: assess(seen[one.id]) for one in found}


def ranked(found: Mapping[CaseId, Assessment]) -> list[CaseId]:
    """The worst first: broken, then flaky by the rate that is sure."""
    return sorted(found, key=lambda case: (_ORDER.index(found[case].state), -found[case].low, str(case)))


def aside(project: str, rule: Quarantine, report: SuiteReport, run: str = "this run", content: str = "") -> SetAside:
    """What the quarantine sets aside of a report's bad cases; the records are asked only where there is one.

    `run` and `content` name the run and what it tested. Unavailable when the records do not answer.
    """
    bad = {case for case, attempt in final(report.attempts).items() if attempt.status.bad}
    held = quarantines(project, suite=report.suite) if bad else ()
    touched = {one.entry.case: one.id for one in held if one.entry.case in bad}
    if not touched:
        return SetAside()
    seen = histories(project, touched.values())
    # A stage that is done again has recorded the same attempts before: they are no history of this run.
    before = {case: [one for one in seen[key] if one.run != run] for case, key in touched.items()}
    cases = counted(project).get(report.suite, 0)
    entries = [one.entry for one in held]
    return set_aside(report, entries, before, rule, cases=cases, now=time.time(), run=run, content=content)


def trend_before(project: str, suite: str, run: str, runs: int = 30) -> list[TrendPoint]:
    """What the suite came to in the project's last runs but `run`, oldest first; a quotation is no run of it."""
    return [
        TrendPoint(
            at=point.opened.replace(tzinfo=point.opened.tzinfo or UTC).timestamp(),
            outcome=Outcome(point.outcome),
            cases=int(point.metrics.get("cases", 0)),
            passed=int(point.metrics.get("passed", 0)),
            flaky=int(point.metrics.get("flaky", 0)),
            seconds=point.metrics.get("seconds", 0.0),
            run=point.run,
        )
        for point in reversed(trend(project, suite, limit=runs))
        if not point.reused and point.run != run
    ]
