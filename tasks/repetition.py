"""New and changed cases are run again at once, within a budget of time: see `domain/repetition.py`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from domain.cases import Attempt, CaseId, Status, SuiteReport, final
from domain.errors import ReportError, ToolError
from domain.repetition import fresh, repetitions
from domain.spec import Suite
from domain.supply import Source
from records.read.history import known_among
from records.read.trend import trend
from tasks import manifest
from tasks.execute import execute
from tasks.run import Run
from tasks.snapshot import entries, work_copy
from tasks.suite_result import repeats
from toolchain.registry import module
from toolchain.runners import Runner, RunRequest

STARTING = 60.0
"""Seconds that a runner may take beside the cases themselves."""


async def repeated(
    run: Run, source: Source, suite: Suite, interpreter: Path | None, report: SuiteReport, out: Path
) -> SuiteReport:
    """The report with the repetitions of its new and changed cases. Where they could not be made, a note says why: that
    decides nothing."""
    rule = run.spec.tests.repeat
    runner: Runner = module("toolchain.runners", suite.framework)
    if not rule.most or not report.complete or not getattr(runner, "REPEATS", False):
        return report
    last = {str(case): attempt for case, attempt in final(report.attempts).items() if not attempt.reused}
    cases = [attempt.case for attempt in last.values()]
    known, changed = await asyncio.to_thread(_history, run, source, suite, cases)
    new = [
        name for name in fresh(list(last), [str(case) for case in known], changed) if last[name].status is Status.PASSED
    ]
    chosen = repetitions({name: last[name].seconds for name in new}, len(last), rule.budget, most=rule.most)
    notes = [chosen.reason] if chosen.reason else []
    more: Sequence[Attempt] = ()
    if chosen.extra:
        counts = out / "repeat" / "repeat.json"
        request = RunRequest(
            suite=suite.model_copy(update={"retries": 0, "coverage": None}),
            root=await work_copy(source, out / "repeat" / "tree"),
            out=out / "repeat" / "report",
            interpreter=interpreter,
            selection=tuple(chosen.extra),
            timeout=STARTING + 3 * rule.budget,
            repeat=counts,
        )
        # The runner makes one attempt of what is selected in any case.
        text = json.dumps({name: times - 1 for name, times in chosen.extra.items()})
        await asyncio.to_thread(manifest.write, counts, text)
        more = await _attempts(runner, request, report, notes)
        notes.append(f"{len(chosen.extra)} new or changed cases were repeated, {len(more)} attempts")
    return report.model_copy(update={"attempts": (*report.attempts, *more), "notes": (*report.notes, *notes)})


async def _attempts(runner: Runner, request: RunRequest, report: SuiteReport, notes: list[str]) -> list[Attempt]:
    try:
        again = runner.parse(await execute(runner.command(request), request.out), request)
    except (ToolError, ReportError) as error:
        notes.append(f"new cases could not be repeated: {error.message}")
        return []
    return repeats(report, again)


def _history(run: Run, source: Source, suite: Suite, cases: Sequence[CaseId]) -> tuple[set[CaseId], set[str]]:
    """The cases that some run has recorded, and the files that differ from what the last run of the suite tested."""
    known = known_among(run.project, cases)
    before = next((point.content for point in trend(run.project, suite.name, limit=1)), "")
    if not before or before == source.digest:
        return known, set()
    home = Path(source.root).parent.with_name(before.removeprefix("sha256:"))
    there = manifest.load(home / "manifest.json", home / "tree")
    if there is None:  # swept away since: what changed cannot be known
        return known, set()
    old = {entry.path: entry.sha for entry in there}
    return known, {entry.path for entry in entries(source) if old.get(entry.path) != entry.sha}
