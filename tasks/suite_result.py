"""From the rounds of a suite to its report and its verdict. Here pydantic is loaded: import it while the tests run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from domain.cases import Attempt, CaseId, SetAside, SuiteReport, final, judge
from domain.verdict import Verdict
from tasks.quarantine_glance import surely_nothing
from tasks.spool import Entry
from tasks.suite_run import COUNTS, Ended, Job, parsed

if TYPE_CHECKING:
    from tasks.impact import Selection


def bad(report: SuiteReport) -> list[Attempt]:
    """The last attempts of the cases that are bad so far."""
    return [attempt for attempt in final(report.attempts).values() if attempt.status.bad]


def again(job: Job, report: SuiteReport, number: int) -> Job:
    """The job that runs what is bad once more, as round `number`."""
    selection = tuple(str(attempt.case) for attempt in bad(report))
    return job._replace(selection=selection, out=f"{job.out}-round-{number}")


def with_round(report: SuiteReport, more: SuiteReport) -> SuiteReport:
    """The report with another round of what was bad. Every attempt is kept, and every reason not to believe it."""
    numbers: dict[CaseId, int] = {}
    for attempt in report.attempts:
        numbers[attempt.case] = max(attempt.number, numbers.get(attempt.case, 0))
    repeated = {attempt.case for attempt in bad(report)}
    heard = [
        attempt.model_copy(update={"number": numbers[attempt.case] + attempt.number})
        for attempt in more.attempts
        if attempt.case in repeated
    ]
    return report.model_copy(
        update={
            "attempts": (*report.attempts, *heard),
            "complete": report.complete and more.complete,
            "problems": (*report.problems, *more.problems),
            "seconds": report.seconds + more.seconds,
        }
    )


def repeats(report: SuiteReport, more: SuiteReport) -> list[Attempt]:
    """The attempts of `more`, made to learn more of cases that have their result in `report`."""
    first: dict[CaseId, int] = {}
    for attempt in report.attempts:
        first[attempt.case] = max(first.get(attempt.case, 0), attempt.number)
    return [
        attempt.model_copy(update={"number": first[attempt.case] + attempt.number, "repeat": True})
        for attempt in more.attempts
        if attempt.case in first
    ]


def with_repeats(report: SuiteReport, more: SuiteReport) -> SuiteReport:
    """The report with attempts that decide nothing: not what speaks against the run that made them, either."""
    return report.model_copy(update={"attempts": (*report.attempts, *repeats(report, more))})


def heard(ended: Ended, entry: Entry) -> SuiteReport:
    """A round's report. What a run that was broken off had finished is marked as reused."""
    report, job = parsed(ended), ended.job
    elsewhere = not job.out.startswith(f"{entry.folder}{os.sep}")
    if not elsewhere and not os.path.exists(os.path.join(job.out, "journal", "main-2.jsonl")):
        return report
    attempts = (
        one.model_copy(update={"reused": True}) if elsewhere or 0 < one.started < entry.began else one
        for one in report.attempts
    )
    return report.model_copy(update={"attempts": tuple(attempts)})


def reported(rounds: Sequence[Ended], entry: Entry) -> SuiteReport | None:
    """All rounds of a suite as one report; None when none was begun."""
    report: SuiteReport | None = None
    for ended in rounds:
        more = heard(ended, entry)
        if report is not None and ended.job.repeat is not None:
            report = with_repeats(report, more)
        else:
            report = more if report is None else with_round(report, more)
    return report


def judged(report: SuiteReport, project: str = "", rule: Mapping[str, Any] | None = None) -> tuple[Verdict, SetAside]:
    """The verdict of `domain.cases.judge`, less what the project's quarantine sets aside, and what that is.

    The records are asked only where a case is bad. Where they do not answer nothing is set aside, and that is said.
    """
    if not project or not bad(report) or surely_nothing(project):
        return judge(report), SetAside()
    from domain.errors import TesError
    from domain.spec import Quarantine
    from tasks.case_memory import aside

    try:
        found = aside(project, Quarantine.model_validate(rule or {}), report)
    except TesError as error:
        # Whatever is wrong with the records, the tests have run: a verdict without quarantine is the strict one.
        found = SetAside(reasons=(f"the quarantine could not be asked: {error.message}",))
    return judge(report, quarantined=found), found


def counts(reports: Sequence[SuiteReport]) -> dict[str, int]:
    """Cases by their last status, over all suites; `flaky` are those that passed only on retry (they are in `passed`,
    too), `reused` those whose earlier result is quoted."""
    found = {name: 0 for name in COUNTS}
    for report in reports:
        last = final(report.attempts)
        bad_once = {attempt.case for attempt in report.attempts if attempt.status.bad}
        for case, attempt in last.items():
            found[attempt.status.value] += 1
            found["flaky"] += case in bad_once and not attempt.status.bad
            found["reused"] += attempt.reused
    return found


def misses(planned: Selection | None, report: SuiteReport) -> tuple[int, list[str]] | None:
    """Of a run of everything: how many of its results would have been quoted, and which of them are others now. None
    where nothing can be compared. A case that was not seen at all (its run was cut short) is not compared."""
    if planned is None or planned.run is not None:
        return None
    last = final(report.attempts)
    there = [before for before in planned.attempts(report.suite) if before.case in last]
    return len(there), [str(one.case) for one in there if last[one.case].status is not one.status]


def compared(verdict: Verdict, planned: Selection | None, report: SuiteReport) -> Verdict:
    """The verdict with the metrics `misses` and `compared`, where there was a selection to compare with."""
    found = misses(planned, report)
    if found is None or not found[0]:
        return verdict
    metrics = {**verdict.metrics, "misses": float(len(found[1])), "compared": float(found[0])}
    return verdict.model_copy(update={"metrics": metrics})


def with_reused(report: SuiteReport, reused: Sequence[Attempt]) -> SuiteReport:
    """The report with earlier results that still hold; what was run counts before what is quoted."""
    ran = {attempt.case for attempt in report.attempts}
    quoted = tuple(attempt for attempt in reused if attempt.case not in ran)
    return report.model_copy(update={"attempts": (*report.attempts, *quoted)})
