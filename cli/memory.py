"""`tes flaky`, `tes slowest`, `tes quarantine`: what is remembered of a project's cases, and what a person decides."""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain.errors import SpecError

if TYPE_CHECKING:
    from domain.quarantine import Entry
    from domain.spec import Quarantine

Row = dict[str, Any]


def flaky(given: argparse.Namespace) -> int:
    """Prints the cases that failed lately, the worst first, and what their history says of them."""
    project, _ = _project(given.project)
    from domain.quarantine import day
    from records.read.quarantine import quarantines
    from tasks.case_memory import assessed, ranked

    found = assessed(project, given.suite, limit=given.limit)
    until = {held.entry.case: day(held.entry.until) for held in quarantines(project)}
    rows = [
        {
            "case": str(case),
            "suite": case.suite,
            "state": found[case].state.value,
            "why": list(found[case].reasons),
            "passed_on_retry": found[case].on_retry,
            "quarantined_until": until.get(case),
        }
        for case in ranked(found)
    ]
    return _shown(given, rows, f"no case of {project} failed in its latest runs")


def slowest(given: argparse.Namespace) -> int:
    """Prints the cases that took longest in the latest runs."""
    project, _ = _project(given.project)
    from records.read.trend import slowest as find

    rows = [
        {
            "case": str(one.case),
            "suite": one.case.suite,
            "mean_s": round(one.mean, 3),
            "longest_s": round(one.longest, 3),
            "attempts": one.attempts,
        }
        for one in find(project, given.suite, limit=given.limit)
    ]
    return _shown(given, rows, f"no run of {project} is recorded yet; `tes test` makes one")


def quarantine(given: argparse.Namespace) -> int:
    """Lists, adds or releases, as the word after the verb says."""
    wanted = {"list": (), "add": ("case", "owner", "reason", "issue", "until"), "release": ("case",)}[given.what]
    lacking = [name if name == "case" else f"--{name}" for name in wanted if not getattr(given, name)]
    if lacking:
        raise SpecError(
            f"tes quarantine {given.what} needs {', '.join(lacking)}", fix="`tes quarantine --help` shows an example"
        )
    act = {"list": _list, "add": _add, "release": _release}[given.what]
    return act(given)


def _list(given: argparse.Namespace) -> int:
    project, _ = _project(given.project)
    from records.read.quarantine import quarantines

    rows = [_row(held.entry) for held in quarantines(project)]
    return _shown(given, rows, f"no case of {project} is in quarantine")


def _add(given: argparse.Namespace) -> int:
    project, rule = _project(given.project)
    from domain.flakiness import assess
    from domain.quarantine import Entry, checked
    from records import counted, find_cases, histories, quarantines
    from records import quarantine as set_aside
    from tasks.actor import actor

    known = _one(find_cases(project, given.case, given.suite), project, given.case)
    now = time.time()
    entry = Entry(
        case=known.case,
        owner=given.owner,
        reason=given.reason,
        issue=given.issue,
        added=now,
        until=_until(given.until),
    )
    held = [one for one in quarantines(project, suite=known.case.suite) if one.entry.case != known.case]
    cases = counted(project).get(known.case.suite, 0)
    checked(entry, len(held), cases, rule, assess(histories(project, [known.id])[known.id]))
    set_aside(project, entry, actor())
    return _shown(given, [_row(entry)], "")


def _release(given: argparse.Namespace) -> int:
    project, _ = _project(given.project)
    from records.read.quarantine import quarantines
    from records.write.quarantine import release
    from tasks.actor import actor

    held = [one.entry for one in quarantines(project) if given.case in (str(one.entry.case), one.entry.case.name)]
    if len(held) != 1:
        what = (
            f"{len(held)} cases in quarantine are called" if held else f"no case of {project} in quarantine is called"
        )
        raise SpecError(f"{what} {given.case}", fix="name it as `tes quarantine list` does")
    release(project, held[0], given.why, actor())
    return _shown(given, [_row(held[0]) | {"released": given.why}], "")


def _project(folder: str) -> tuple[str, Quarantine]:
    """The project's name in the records, after what was left to record; and its rules."""
    from tasks.absorb import caught_up
    from tasks.spec_file import load_spec

    caught_up()
    root = Path(folder).expanduser().absolute()
    spec = load_spec(root).spec
    return spec.name or root.name, spec.tests.quarantine


def _one(found: list[Any], project: str, text: str) -> Any:
    if len(found) == 1:
        return found[0]
    if found:
        some = ", ".join(str(one.case) for one in found[:3])
        raise SpecError(f"{len(found)} cases are called {text}: {some}", fix="name one of them whole, or its --suite")
    raise SpecError(f"no recorded case of {project} is called {text}", fix="name it as `tes flaky` or `tes test` does")


def _until(text: str) -> float:
    """The end of that day, in UTC, in seconds since the epoch."""
    try:
        last = date.fromisoformat(text)
    except ValueError:
        raise SpecError(f"--until {text} is no day", fix="write it as 2027-01-31") from None
    return datetime.combine(last + timedelta(days=1), datetime.min.time(), UTC).timestamp()


def _row(entry: Entry) -> Row:
    from domain.quarantine import day

    return {
        "case": str(entry.case),
        "suite": entry.case.suite,
        "owner": entry.owner,
        "reason": entry.reason,
        "issue": entry.issue,
        "until": day(entry.until),
        "automatic": entry.automatic,
    }


def _shown(given: argparse.Namespace, rows: list[Row], none: str) -> int:
    if given.json:
        print(json.dumps(rows, indent=2))
    elif not rows:
        print(none)
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, padding=(0, 2, 0, 0))
        for column in rows[0]:
            table.add_column(column.replace("_", " "), header_style="dim", overflow="fold")
        for row in rows:
            table.add_row(*(_cell(value) for value in row.values()))
        Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table)
    return 0


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(value)
    return "" if value is None else str(value)
