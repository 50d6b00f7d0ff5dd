"""The coverage of a suite over all its workers and shards: merged, reported, and held against its limits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from domain.coverage import Change, Measured, judge, missing_lines
from domain.report import Stage, silent
from domain.spec import Suite
from domain.supply import Source
from domain.verdict import Verdict
from tasks.change import change
from tasks.coverage_data import merged
from tasks.kinds import derive
from tasks.run import Run
from tasks.stage import perform
from toolchain import coverage as tool

LISTED = 50


@derive("coverage {suite.name}")
async def coverage(run: Run, source: Source, suite: Suite, tested: Stage) -> Stage:
    """What the shards of the suite's stage `tested` left, as a stage of its own."""
    wanted = suite.coverage
    assert wanted is not None
    name = f"coverage.{suite.name}"
    folders = [Path(one) for one in tested.payload.get("coverage", ())]
    changed: Change | None = None
    if wanted.changed_fail_under is not None:
        changed = await asyncio.to_thread(change, run.root, run.ref, wanted.base)

    async def work(out: Path) -> tuple[Verdict, dict[str, Any]]:
        if not tested.payload.get("whole"):
            return silent(name, "the suite did not run to its end, so what it executes is not known"), {}
        rc = await asyncio.to_thread(tool.rcfile, wanted, Path(source.root))
        measured, evidence = await merged(folders, rc, Path(source.root), out)
        verdict = judge(suite.name, wanted, measured, changed)
        return verdict.model_copy(update={"evidence": evidence}), {"table": _table(measured, changed)}

    inputs = {
        "source": source.digest,
        "coverage": wanted.model_dump(mode="json"),
        "tests": tested.verdict.metrics | {"reused_from": tested.reused_from or run.id},
        "change": changed.model_dump(mode="json") if changed else None,
    }
    return await perform(run, name, inputs, work)


def _table(measured: Measured, changed: Change | None) -> list[list[str]]:
    """The files with most lines missing; of a change, the changed lines that nothing executes."""
    if changed is not None:
        missing = missing_lines(measured, changed.lines)
        rows = sorted(missing.items(), key=lambda one: (-len(one[1]), one[0]))[:LISTED]
        return [["file", "changed lines not executed"], *([path, _ranges(lines)] for path, lines in rows)]
    worst = sorted(measured.files, key=lambda file: (-len(file.missing), file.path))[:LISTED]
    rows_ = ([f.path, str(len(f.executed)), str(len(f.executed) + len(f.missing))] for f in worst)
    return [["file", "executed", "lines"], *rows_]


def _ranges(lines: Sequence[int]) -> str:
    """1, 2, 3, 7 → `1-3, 7`."""
    parts: list[list[int]] = []
    for line in lines:
        if parts and line == parts[-1][1] + 1:
            parts[-1][1] = line
        else:
            parts.append([line, line])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)
