"""The coverage data that workers and shards left, merged and reported. Without Prefect: `tes test` does the same."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from domain.coverage import Measured
from domain.verdict import Evidence
from tasks.execute import execute
from tasks.manifest import write
from toolchain import coverage as tool
from toolchain.reports import coverage as report


async def merged(folders: Sequence[Path], rc: str, root: Path, out: Path) -> tuple[Measured, tuple[Evidence, ...]]:
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
