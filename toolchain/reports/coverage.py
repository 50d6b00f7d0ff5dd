"""Reads the JSON report of coverage.py. Source: https://coverage.readthedocs.io/en/latest/commands/cmd_json.html"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from domain.coverage import FileCoverage, Measured


def read(path: Path) -> Measured:
    """What was measured. A report that is missing, cut off, or of files elsewhere than in the project is a problem."""
    try:
        document = json.loads(path.read_bytes())
        files = tuple(_file(name, told) for name, told in sorted(document["files"].items()))
        totals = document["totals"]
        claimed = (totals["covered_lines"], totals["covered_lines"] + totals["missing_lines"])
    except FileNotFoundError:
        return Measured(problems=("coverage.py wrote no report",))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Measured(problems=(f"the report of coverage.py cannot be read: {type(error).__name__}: {error}",))
    executed = sum(len(file.executed) for file in files)
    problems = []
    if claimed != (executed, executed + sum(len(file.missing) for file in files)):
        problems.append(f"the report of coverage.py claims {claimed[0]} executed lines and lists {executed}")
    if strange := [file.path for file in files if file.path.startswith(("/", "..")) or ":" in file.path[:3]]:
        problems.append(f"{len(strange)} measured files lie outside of the project, the first: {strange[0]}")
    return Measured(files=files, problems=tuple(problems))


def _file(name: str, told: dict[str, Any]) -> FileCoverage:
    summary = told["summary"]
    return FileCoverage(
        path=name.replace("\\", "/"),
        executed=frozenset(told["executed_lines"]),
        missing=frozenset(told["missing_lines"]),
        branches=int(summary.get("num_branches", 0)),
        branches_taken=int(summary.get("covered_branches", 0)),
    )
