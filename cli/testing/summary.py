"""What a run came to: lines that can be pasted, and the one object of `--json`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cli.testing.progress import telling, told
from cli.testing.run import Result, Tested
from tasks.suite_run import COUNTS

if TYPE_CHECKING:
    from domain.cases import Attempt, SuiteReport

Line = tuple[str, str]

LISTED = 30
SLOWEST = 5
# Faster than this, nobody wants to know which was the slowest. Seconds.
SLOW_S = 0.5
COLOUR = {"PASS": "green", "FAIL": "red", "INCONCLUSIVE": "yellow"}

# What `--json` prints, for the reference.
FIELDS = {
    "outcome": "`PASS`, `FAIL` or `INCONCLUSIVE`: the exit code's reason",
    "reasons": "sentences with numbers; of several suites, each begins with its suite's name",
    "counts": "cases by their last status: `passed`, `failed`, `error`, `skipped`, `xfailed`, `xpassed`, `crashed`; "
    "`flaky` are those of them that passed only on retry, `reused` those whose earlier result is quoted",
    "duration_s": "what the person waited, in seconds",
    "workers": "processes that ran cases side by side",
    "interpreter": "`path`, and `why` this one",
    "project": "its name",
    "root": "its folder",
    "run": "the run's id in the records",
    "reports": "the folder with journals, logs and reports of the run",
    "misses": "with `--all`: how many quoted results would have been wrong; otherwise null",
    "missed": "their ids",
    "compared": "how many would have been quoted: what `misses` is out of; 0 when nothing was recorded",
    "suites": "for each: `name`, `framework`, `outcome`, `reasons`, `counts`, `duration_s`, `workers`, `complete`, "
    "`deselected`, `problems`, `notes`",
    "cases": "with `--cases`, for each: `id`, `suite`, `file`, `classname`, `name`, `status`, `seconds`, `message`, "
    "`flaky`, `quarantined` (bad, and set aside), `reused`, `worker`, and its `attempts` with `status` and `seconds`",
}


def lines(result: Result) -> Iterator[Line]:
    """The summary with its colours: what is bad, what is doubtful, what is slow, and the verdict last."""
    for tested in result.suites:
        if tested.report is not None:
            yield from _bad(tested, tested.report, result)
            yield from _flaky(tested.report)
            yield from _slow(tested.report)
            # Where nothing can be believed, each reason is told below.
            if tested.aside and result.outcome != "INCONCLUSIVE":
                yield from ((f"aside     {reason}", "yellow") for reason in tested.aside.reasons)
            yield from ((f"note      {note}", "dim") for note in tested.report.notes)
    yield from _missed(result)
    if any(tested.report is not None for tested in result.suites):
        yield f"reports   {result.entry.folder}", "dim"
    for tested in result.suites if len(result.suites) > 1 else ():
        numbers = told(tested.numbers, tested.numbers["flaky"])
        yield f"{tested.outcome} {tested.suite['name']}: {numbers}", COLOUR[tested.outcome]
    if result.outcome == "INCONCLUSIVE":
        yield from ((f"why       {reason}", "yellow") for reason in result.reasons)
    elif result.outcome == "FAIL":
        yield from ((f"why       {reason}", "red") for reason in _beyond_cases(result))
    yield _verdict(result), COLOUR[result.outcome]


def _missed(result: Result) -> Iterator[Line]:
    """Where everything ran with `--changed --all`: what selection would have missed."""
    told_of = comparison(result)
    if told_of["misses"] is None:
        return
    yield (
        f"changed   {told_of['misses']} of {told_of['compared']} results that would have been quoted are others now",
        "red" if told_of["misses"] else "dim",
    )
    yield from ((f"missed    {case}", "red") for case in told_of["missed"][:LISTED])


def comparison(result: Result) -> dict[str, Any]:
    """`misses`, `missed` and `compared` of `--json`, over all suites in which everything ran to be compared.

    `misses` is None where none was."""
    asked, compared, missed = False, 0, []
    for tested in result.suites:
        if tested.planned is None or tested.planned.run is not None or tested.report is None:
            continue
        from tasks.suite_result import misses  # pydantic: not where everything is quoted

        asked = True
        found = misses(tested.planned, tested.report)
        if found is not None:
            compared += found[0]
            missed += found[1]
    return {"misses": len(missed) if asked else None, "missed": missed, "compared": compared}


def _beyond_cases(result: Result) -> Iterator[str]:
    """What speaks against a PASS beside the bad cases, which are listed above: coverage, a report that is not whole."""
    for tested in result.suites:
        if tested.outcome != "PASS":
            counts, *others = tested.reasons
            above = tested.aside.reasons if tested.aside else ()
            yield from (one for one in others if not one.startswith("first bad: ") and one not in above)


def _verdict(result: Result) -> str:
    numbers = _counts(result)
    workers = _workers(result)
    told_workers = f" on {workers} workers" if workers > 1 else ""
    reused = f", {numbers['reused']} of them reused" if numbers["reused"] else ""
    what = told(numbers, numbers["flaky"]) if result.suites else "nothing ran"
    return f"{result.outcome} {result.entry.project}: {what}{reused} in {result.seconds:.1f} s{told_workers}"


def _counts(result: Result) -> dict[str, int]:
    return {name: sum(tested.numbers[name] for tested in result.suites) for name in COUNTS}


def _workers(result: Result) -> int:
    return max((tested.report.workers for tested in result.suites if tested.report is not None), default=0)


def _bad(tested: Tested, report: SuiteReport, result: Result) -> Iterator[Line]:
    from tasks.suite_result import bad

    found = bad(report)
    aside = set(tested.aside.cases) if tested.aside else set()
    for attempt in found[:LISTED]:
        node = str(attempt.case)
        first = attempt.message.splitlines()[0] if attempt.message else ""
        held = " (in quarantine)" if attempt.case in aside else ""
        yield f"{attempt.status.value.upper()} {node}{held}  {first}".rstrip(), "yellow" if held else "red"
        # What the journal told while it ran is above; of other frameworks this is the first that is seen of it.
        if tested.progress is None or node not in tested.progress.status:
            yield from ((f"    {line}", "") for line in telling(attempt.output or attempt.message))
        if tested.suite["framework"] == "pytest" and attempt.case.file:
            yield f"    again: tes test {shlex.quote(_relative(result.entry.root, node))}", "dim"
    if len(found) > LISTED:
        yield f"... and {len(found) - LISTED} more", "red"


def _relative(root: str, node: str) -> str:
    """A node id as it is typed in the folder where the person is."""
    here = os.getcwd()
    return node if root == here else os.path.join(os.path.relpath(root, here), node)


def _flaky(report: SuiteReport) -> Iterator[Line]:
    from domain.cases import final

    last = final(report.attempts)
    bad_once = {attempt.case for attempt in report.attempts if attempt.status.bad}
    found = [attempt for case, attempt in last.items() if case in bad_once and not attempt.status.bad]
    for attempt in found[:LISTED]:
        yield f"FLAKY {attempt.case}  {attempt.status} on attempt {attempt.number}", "yellow"
    if len(found) > LISTED:
        yield f"... and {len(found) - LISTED} more that passed only on retry", "yellow"


def _slow(report: SuiteReport) -> Iterator[Line]:
    ran = [attempt for attempt in report.attempts if not attempt.reused and attempt.seconds >= SLOW_S]
    slowest = sorted(ran, key=lambda attempt: -attempt.seconds)[:SLOWEST]
    for number, attempt in enumerate(slowest):
        yield f"{'slowest' if number == 0 else '':<9} {attempt.seconds:6.2f} s  {attempt.case}", "dim"


def as_json(result: Result, *, cases: bool) -> dict[str, Any]:
    """The object that `--json` prints."""
    whole: dict[str, Any] = {
        "outcome": str(result.outcome),
        "reasons": result.reasons,
        "counts": _counts(result),
        "duration_s": round(result.seconds, 3),
        "workers": _workers(result),
        "interpreter": {"path": result.python.path, "why": result.python.why},
        "project": result.entry.project,
        "root": result.entry.root,
        "run": result.entry.run,
        "reports": result.entry.folder,
        **comparison(result),
        "suites": [_suite(tested) for tested in result.suites],
    }
    if cases:
        whole["cases"] = [case for tested in result.suites for case in _cases(tested)]
    return whole


def _suite(tested: Tested) -> dict[str, Any]:
    report = tested.report
    return {
        "name": tested.suite["name"],
        "framework": tested.suite["framework"],
        "outcome": str(tested.outcome),
        "reasons": tested.reasons,
        "counts": dict(tested.numbers),
        "duration_s": round(report.seconds, 3) if report else 0.0,
        "workers": report.workers if report else 0,
        "complete": report.complete if report else True,
        "deselected": report.deselected if report else 0,
        "problems": list(report.problems) if report else [],
        "notes": list(report.notes) if report else [],
    }


def _cases(tested: Tested) -> Iterator[dict[str, Any]]:
    attempts: dict[Any, list[Attempt]] = {}
    aside = set(tested.aside.cases) if tested.aside else set()
    quoted = tested.planned.attempts(tested.suite["name"]) if tested.planned is not None else ()
    for attempt in sorted(tested.report.attempts if tested.report is not None else quoted, key=lambda one: one.number):
        attempts.setdefault(attempt.case, []).append(attempt)
    for case, found in attempts.items():
        last = found[-1]
        yield {
            "id": str(case),
            "suite": case.suite,
            "file": case.file,
            "classname": case.classname,
            "name": case.name,
            "status": last.status.value,
            "seconds": round(last.seconds, 6),
            "message": last.message,
            "flaky": not last.status.bad and any(one.status.bad for one in found),
            "quarantined": case in aside,
            "reused": last.reused,
            "worker": last.worker,
            "attempts": [{"status": one.status.value, "seconds": round(one.seconds, 6)} for one in found],
        }
