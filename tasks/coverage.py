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
from domain.verdict import Evidence, Verdict
from tasks.change import change
from tasks.execute import execute
from tasks.kinds import derive
from tasks.manifest import write
from tasks.run import Run
from tasks.stage import perform
from toolchain import coverage as tool
from toolchain.reports import coverage as report

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
        measured, evidence = await merged(folders, rc, source, out)
        verdict = judge(suite.name, wanted, measured, changed)
        return verdict.model_copy(update={"evidence": evidence}), {"table": _table(measured, changed)}

    inputs = {
        "source": source.digest,
        "coverage": wanted.model_dump(mode="json"),
        "tests": tested.verdict.metrics | {"reused_from": tested.reused_from or run.id},
        "change": changed.model_dump(mode="json") if changed else None,
    }
    return await perform(run, name, inputs, work)


async def merged(folders: Sequence[Path], rc: str, source: Source, out: Path) -> tuple[Measured, tuple[Evidence, ...]]:
    """The data of each shard's folder as one, and the reports that were written of it.

    A shard that left none makes the whole unknown: its lines would look as if nothing executed them.
    """
    found = [await asyncio.to_thread(_data, folder) for folder in folders]
    empty = [str(number) for number, files in enumerate(found, 1) if not files]
    if empty or not found:
        which = f"shard {', '.join(empty)} of {len(found)}" if found else "the suite"
        return Measured(problems=(f"{which} left no coverage data",)), ()
    write(out / "coveragerc", rc)
    (out / ".coverage").unlink(missing_ok=True)
    root = Path(source.root)
    data = [file for files in found for file in files]
    ran = await execute(tool.combine(data, root, out), out / "log" / "combine")
    taken = tool.combined("\n".join(path.read_text("utf-8", "replace") for path in (ran.stdout, ran.stderr)))
    if ran.exit_code != 0 or taken != len(data):
        told = f"coverage.py could merge {taken} of {len(data)} data files: {ran.tail(300)}"
        return Measured(problems=(told,)), ()
    ran = await execute(tool.report("json", root, out), out / "log" / "json")
    if ran.exit_code != 0:
        return Measured(problems=(f"coverage.py could not write its report: {ran.tail(300)}",)), ()
    measured = await asyncio.to_thread(report.read, out / "coverage.json")
    kinds = ("xml", "html")
    await asyncio.gather(*(execute(tool.report(kind, root, out), out / "log" / kind) for kind in kinds))
    written = [out / "coverage.json", out / "coverage.xml", out / "html" / "index.html"]
    return measured, tuple(Evidence(name=path.name, location=str(path)) for path in written if path.exists())


def _data(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob(".coverage*") if path.is_file() and not path.name.endswith("-journal"))


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
