"""What a suite's tests execute, where tes.yaml wants it measured: before a round, and its verdict afterwards."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from domain.verdict import Verdict

UNKNOWN = "coverage is not measured: only a part of the suite runs"


def prepare(suite: Mapping[str, Any], root: str, out: str) -> str:
    """Writes the configuration of coverage.py for a round into `out`, and returns its path."""
    from pathlib import Path

    from domain.spec import Coverage
    from toolchain.coverage import rcfile

    os.makedirs(out, exist_ok=True)
    path = Path(out, "coveragerc")
    path.write_text(rcfile(Coverage.model_validate(suite["coverage"]), Path(root)), encoding="utf-8")
    return str(path)


def missing(out: str) -> bool:
    """Whether a round ended at once because the project's interpreter has no coverage.py."""
    with open(os.path.join(out, "stderr.log"), encoding="utf-8", errors="replace") as file:
        said = file.read()
    return said.rstrip().endswith("No module named 'coverage'")


def verdict(suite: Mapping[str, Any], root: str, out: str, *, whole: bool) -> Verdict:
    """The verdict of the gate `coverage.<suite>`, over the data in `out`; INCONCLUSIVE where it cannot be known."""
    import asyncio
    from pathlib import Path

    from domain.coverage import judge
    from domain.report import silent
    from domain.spec import Coverage
    from tasks.change import change
    from tasks.coverage_data import merged

    if not whole:
        why = "the suite did not run to its end, so what it executes is not known"
        return silent(f"coverage.{suite['name']}", why)
    wanted = Coverage.model_validate(suite["coverage"])
    changed = change(Path(root), None, wanted.base) if wanted.changed_fail_under is not None else None
    rc = Path(out, "coveragerc").read_text(encoding="utf-8")
    measured, _ = asyncio.run(merged([Path(out, "coverage")], rc, Path(root), Path(out, "coverage-report")))
    return judge(suite["name"], wanted, measured, changed)
