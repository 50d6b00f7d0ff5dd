"""Runs of `tes test` that are not in the records yet. Nobody waits for a database to see whether their tests passed.

An entry is written before the engine starts and said again when it has ended, so that a run that was killed at any
moment is found, too. `tasks/absorb.py` brings entries into the records. Standard library only.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from tasks.state_folder import home, project_key, read_json, write_json
from tasks.suite_run import Ended, Job

# Run folders that are kept for each project: journals, logs and reports.
KEPT = 20

RUNNING, DONE, INTERRUPTED = "running", "done", "interrupted"


class Entry(NamedTuple):
    """A run. `suites` maps a suite's name to its rounds, `verdicts` to its verdict as JSON; `reasons` and `outcome` are
    what the person was told."""

    run: str
    project: str
    root: str
    folder: str
    pid: int
    began: float
    ended: float = 0.0
    state: str = RUNNING
    outcome: str = ""
    reasons: list[str] = []
    suites: dict[str, list[Ended]] = {}
    verdicts: dict[str, Any] = {}
    python: str = ""

    def say(self) -> None:
        """Writes it, in place of what was written before."""
        suites = {name: [said_of(ended) for ended in rounds] for name, rounds in self.suites.items()}
        write_json(_path(self.run), {**self._asdict(), "suites": suites})

    def forget(self) -> None:
        """It is in the records, or shall never be."""
        try:
            os.unlink(_path(self.run))
        except (FileNotFoundError, NotADirectoryError):
            pass


def new(project: str, root: str, python: str) -> Entry:
    """A run that begins, with a folder of its own for what it leaves."""
    run = os.urandom(16).hex()
    folder = os.path.join(runs_of(root), f"{time.strftime('%Y%m%d-%H%M%S')}-{run[:8]}")
    return Entry(run, project, root, folder, os.getpid(), time.time(), suites={}, verdicts={}, python=python)


def runs_of(root: str) -> str:
    """Where the folders of a project's runs are."""
    return os.path.join(home(), "tests", project_key(root))


def waiting() -> Iterator[Entry]:
    """The entries, the oldest first. One that cannot be read is left alone: another version may have written it."""
    found = []
    try:
        names = os.listdir(os.path.dirname(_path("x")))
    except FileNotFoundError:
        return
    for name in names:
        said = read_json(os.path.join(os.path.dirname(_path("x")), name)) if name.endswith(".json") else None
        if isinstance(said, dict):
            try:
                found.append(_entry(said))
            except (TypeError, KeyError, AttributeError):
                continue
    yield from sorted(found, key=lambda entry: entry.began)


def prune(root: str) -> None:
    """Removes all but the latest folders of a project's runs."""
    try:
        names = sorted(name for name in os.listdir(runs_of(root)) if name[:1].isdigit())
    except FileNotFoundError:
        return
    import shutil  # slow to load, and only here

    for name in names[:-KEPT]:
        shutil.rmtree(os.path.join(runs_of(root), name), ignore_errors=True)


def said_of(ended: Ended) -> dict[str, Any]:
    """A round as JSON, without the environment, which holds secrets."""
    return {**ended._asdict(), "job": ended.job._replace(environment={})._asdict()}


def ended_of(said: dict[str, Any]) -> Ended:
    """What `said_of` made. TypeError or KeyError for anything else."""
    return Ended(**{**said, "job": _job(said["job"])})


def _path(run: str) -> str:
    return os.path.join(home(), "spool", f"{run}.json")


def _entry(said: dict[str, Any]) -> Entry:
    suites = {name: [ended_of(one) for one in rounds] for name, rounds in said["suites"].items()}
    return Entry(**{**said, "suites": suites})


def _job(said: dict[str, Any]) -> Job:
    return Job(**{**said, "selection": tuple(said["selection"])})
