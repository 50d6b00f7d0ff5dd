"""What the quarantine means for a suite's report, from the records: see `domain/quarantine.py`."""

from __future__ import annotations

import asyncio

from domain.cases import SetAside, SuiteReport
from domain.quarantine import day
from records.read.quarantine import quarantines
from tasks.case_memory import aside
from tasks.run import Run


async def in_force(run: Run, suite: str) -> dict[str, list[list[str]]]:
    """What of the quarantine belongs to a suite's inputs: a PASS that it helped to is not quoted once it has ended."""
    held = await asyncio.to_thread(quarantines, run.project, suite=suite)
    return {"quarantine": sorted([one.id, day(one.entry.until)] for one in held)} if held else {}


async def quarantined(run: Run, report: SuiteReport, content: str) -> SetAside:
    """What is set aside of the report's bad cases. Asked before its attempts are recorded: they are no history yet."""
    return await asyncio.to_thread(aside, run.project, run.spec.tests.quarantine, report, run.id, content)
