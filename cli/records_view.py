"""`tes runs` and `tes show`: what the records hold, on a terminal or as JSON."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from domain.errors import SpecError


def runs(project: str | None, environment: str | None, limit: int, as_json: bool) -> None:
    """Prints the latest runs, the newest first."""
    from tasks.absorb import caught_up

    caught_up()
    from records.read.run import abandoned  # SQLModel takes a while to import: not before it is needed
    from records.read.run import runs as find
    from records.write.run import mark_interrupted

    for row in abandoned(project):
        mark_interrupted(row.id)
    rows = [row.model_dump() for row in find(limit, project, environment).items]
    if as_json:
        _dump(rows)
    elif rows:
        for one in rows:
            one["id"], one["opened"] = one["id"][:8], one["opened"].strftime("%Y-%m-%d %H:%M:%S")
        table(rows, ("id", "kind", "project", "environment", "state", "outcome", "opened", "actor"))
    else:
        print("no runs yet; `tes release` makes one")


def show(run_id: str, as_json: bool) -> None:
    """Prints one run with its stages and its bad cases and findings. SpecError when there is none."""
    from tasks.absorb import caught_up

    caught_up()
    from records.read.case import cases
    from records.read.run import findings, run, runs

    known = [row.id for row in runs(200).items if row.id.startswith(run_id)]
    found = run(known[0] if len(known) == 1 else run_id)
    if found is None:
        some = f"; {len(known)} runs begin so" if known else ""
        raise SpecError(f"there is no run {run_id}{some}", fix="`tes runs` lists them")
    row = found.run
    stages = [stage.model_dump() for stage in found.stages]
    bad = [
        dataclasses.asdict(case) for status in ("failed", "error", "crashed") for case in cases(row.id, status).items
    ]
    seen = [finding.model_dump() for finding in findings(row.id).items]
    if as_json:
        _dump({**row.model_dump(), "stages": stages, "bad_cases": bad, "findings": seen})
        return
    print(f"{row.kind} {row.project} {row.environment or ''} {row.outcome or row.state} {row.id}")
    for stage in stages:
        stage["reasons"] = "; ".join(stage["verdict"]["reasons"])
    table(stages, ("name", "outcome", "reasons"))
    if bad:
        table(bad, ("file", "classname", "name", "status", "message"))
    if seen:
        table(seen, ("severity", "rule", "path", "line", "message"))


def table(rows: Sequence[dict[str, Any]], columns: tuple[str, ...]) -> None:
    """Prints these columns of rows, as wide as the terminal."""
    drawn = Table(box=None, padding=(0, 2, 0, 0))
    for column in columns:
        drawn.add_column(column.replace("_", " "), header_style="dim", overflow="fold")
    for row in rows:
        drawn.add_row(*("" if row.get(column) is None else str(row[column]) for column in columns))
    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(drawn)


def _dump(value: Any) -> None:
    print(json.dumps(value, indent=2, default=str))
