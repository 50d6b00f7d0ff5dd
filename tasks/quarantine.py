"""What the quarantine means for a suite's report, from the records: see `domain/quarantine.py`."""

from __future__ import annotations

import asyncio
import time

from domain.cases import SetAside, SuiteReport, final
from domain.quarantine import day, set_aside
from records.read.history import counted, histories
from records.read.quarantine import quarantines
from tasks.run import Run


async def in_force(run: Run, suite: str) -> dict[str, list[list[str]]]:
    """What of the quarantine belongs to a suite's inputs: a PASS that it helped to is not quoted once it has ended."""
    held = await asyncio.to_thread(quarantines, run.project, suite=suite)
    return {"quarantine": sorted([one.id, day(one.entry.until)] for one in held)} if held else {}


async def quarantined(run: Run, report: SuiteReport, content: str) -> SetAside:
    """What is set aside of the report's bad cases. Asked before its attempts are recorded: they are no history yet."""
    return await asyncio.to_thread(_quarantined, run, report, content)


def _quarantined(run: Run, report: SuiteReport, content: str) -> SetAside:
    bad = {case for case, attempt in final(report.attempts).items() if attempt.status.bad}
    held = quarantines(run.project, suite=report.suite) if bad else ()
    touched = {one.entry.case: one.id for one in held if one.entry.case in bad}
    if not touched:
        return SetAside()
    seen = histories(run.project, touched.values())
    # A stage that is done again has recorded the same attempts before: they are no history of this run.
    before = {case: [one for one in seen[key] if one.run != run.id] for case, key in touched.items()}
    return set_aside(
        report,
        [one.entry for one in held],
        before,
        run.spec.tests.quarantine,
        cases=counted(run.project).get(report.suite, 0),
        now=time.time(),
        run=run.id,
        content=content,
    )
