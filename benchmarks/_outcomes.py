"""What came out of each case, in the same words: of plain pytest and pytest-xdist through a plugin, of the engine from
its journal."""

from __future__ import annotations

import json
from collections.abc import Container
from pathlib import Path
from typing import Any

from tes_engine.recorder import status_of

PLUGIN = '''
"""Writes each report's outcome; in pytest-xdist's workers it keeps still."""
import json, os
SEEN = []
def pytest_runtest_logreport(report):
    flags = [name for name in ("wasxfail", "context") if hasattr(report, name)]
    SEEN.append([report.nodeid, report.when, report.outcome, report.duration, flags])
def pytest_collectreport(report):
    if report.outcome == "failed":
        SEEN.append([report.nodeid, "collect", "failed", 0.0, []])
def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        with open(os.environ["BENCH_OUTCOMES"], "w") as file:
            json.dump(SEEN, file)
'''


class _Report:
    def __init__(self, when: str, outcome: str, flags: list[str]) -> None:
        self.when, self.outcome = when, outcome
        for flag in flags:
            setattr(self, flag, "")


def of_reports(path: Path) -> tuple[dict[str, str], float]:
    """(node id to status, the seconds of all tests with their set-up and tear-down)."""
    reports: dict[str, list[Any]] = {}
    seconds = 0.0
    for node, when, outcome, duration, flags in json.loads(path.read_text()):
        reports.setdefault(node, []).append(_Report("setup" if when == "collect" else when, outcome, flags))
        seconds += 0.0 if "context" in flags else duration  # a subtest's time is in that of its test
    return {node: status_of(found) for node, found in reports.items()}, seconds


def events(out: Path) -> list[dict[str, Any]]:
    """All whole lines of an engine's journal."""
    found = []
    for path in sorted((out / "journal").glob("*.jsonl")):
        found += [json.loads(line) for line in path.read_bytes().splitlines(True) if line.endswith(b"\n")]
    return found


def of_journal(out: Path) -> dict[str, str]:
    """Node id to the status of its last attempt."""
    results = sorted((event for event in events(out) if event["e"] == "result"), key=lambda event: int(event["n"]))
    return {event["id"]: event["o"] for event in results}


def newest_journal(home: Path) -> Path:
    """The folder that `tes test` had its engine write into last; one that is not there when it has not."""
    found = [path for path in home.rglob("journal") if path.is_dir()]
    return max(found, key=lambda path: path.stat().st_mtime).parent if found else home / "none"


def difference(plain: dict[str, str], other: dict[str, str], unstable: Container[str] = ()) -> list[str]:
    """A line for each case that came out otherwise, but for those that are unstable in plain pytest itself; empty when
    all are the same."""
    names = [name for name in sorted(plain.keys() | other.keys()) if name not in unstable]
    pairs = [(name, plain.get(name, "missing"), other.get(name, "missing")) for name in names]
    return [f"{name}: {one}, not {two}" for name, one, two in pairs if one != two]
