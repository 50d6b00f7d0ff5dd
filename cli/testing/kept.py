"""Going on with a run that was stopped or killed: what is taken over, what is told, and what the next one may take."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from cli.testing.changes import stamps
from cli.testing.wish import Wish
from tasks import broken_off, last_run, spool
from tasks.broken_off import BrokenOff
from tasks.suite_run import Ended, Job


class Kept:
    """Of one run of `tes test`. `line` is for the person, "" when no run was broken off."""

    def __init__(
        self,
        entry: spool.Entry,
        wish: Wish,
        suites: Sequence[Mapping[str, Any]],
        environment: Mapping[str, str],
        *,
        warm: bool,
    ) -> None:
        self.entry = entry
        # What `--changed` has recorded is quoted by the next `--changed`; what is watched runs again at every change.
        self.remembers = not (wish.changed or warm)
        self.conditions: dict[str, int] = {}
        self.before: BrokenOff | None = None
        self.files: dict[str, list[int]] | None = None
        self.done: dict[str, list[Ended]] = {}
        self.line = ""
        if self.remembers:
            self.conditions = broken_off.conditions(entry.python, suites, environment)
            self._look(wish)
        broken_off.forget(entry.root)

    def _look(self, wish: Wish) -> None:
        found = broken_off.left(self.entry.root)
        if found is None:
            return
        self.files = files(self.entry.root)
        why = "--all" if wish.everything else broken_off.differs(found, self.conditions, self.files)
        last = last_run.read(self.entry.root)
        told = f" ({last.told})" if last is not None and last.folder == found.folder else ""
        if why:
            self.line = f"afresh    the last run, which was stopped{told}, is not gone on with: {why}"
            return
        self.before = found
        when = time.strftime("%H:%M", time.localtime(found.began))
        self.line = (
            f"goes on   with the run of {when}, which was stopped{told}: what it finished counts, shown as reused; "
            "--all starts afresh"
        )

    def rounds(self, suite: str) -> list[Ended]:
        """The rounds of a suite that had ended; none where it has to be run."""
        return [spool.ended_of(one) for one in self.before.done.get(suite, ())] if self.before is not None else []

    def take_over(self, job: Job) -> None:
        """The engine goes on from what this puts into the job's folder. Coverage of what ran before is not whole."""
        if self.before is not None and job.suite["framework"] == "pytest" and job.coverage is None:
            broken_off.take_over(os.path.join(self.before.folder, job.suite["name"]), job.out)

    def begun(self) -> None:
        """Once the engine has started: from now on this run is the one to go on with."""
        if not self.remembers:
            return
        if self.files is None:
            self.files = files(self.entry.root)
        began = self.entry.began if self.before is None else self.before.began
        done = {name: [spool.said_of(one) for one in rounds] for name, rounds in self.done.items()}
        run = BrokenOff(self.entry.folder, os.getpid(), began, self.conditions, self.files, done)
        broken_off.say(self.entry.root, run)

    def ended(self, suite: str, rounds: list[Ended]) -> None:
        """A suite has come to its end."""
        self.done[suite] = rounds

    def over(self) -> None:
        """The run has come to its end: there is nothing to go on with."""
        if self.remembers:
            broken_off.forget(self.entry.root)


def files(root: str) -> dict[str, list[int]]:
    """The project's files with their stamps, and the hidden ones of its folder, but for what coverage.py writes."""
    found = {os.path.relpath(path, root): list(stamp) for path, stamp in stamps(root).items()}
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.name.startswith(".") and not entry.name.startswith(".coverage") and entry.is_file():
                about = entry.stat()
                found[entry.name] = [about.st_mtime_ns, about.st_size]
    return found
