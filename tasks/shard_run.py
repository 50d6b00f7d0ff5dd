"""One shard, from what it is told to run to its report; the same on this machine and on another.

Its folder is named by what determines its result: where an interrupted run was, the next one goes on, and a shard that
passed is quoted. A shard of which a case failed is run again: a person who runs again wants another look.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from domain.cases import SuiteReport
from domain.plan import Shard
from domain.spec import Suite
from domain.supply import Source
from domain.verdict import Value
from tasks.execute import execute
from tasks.manifest import write
from tasks.journal_watch import watching
from tasks.snapshot import work_copy
from tasks.suite_environment import Environment, furnish
from tasks.suite_result import bad, with_round
from toolchain import coverage
from toolchain.command import Ran
from toolchain.registry import module
from toolchain.runners import Runner, RunRequest

COLLECTED_NOTHING = 5  # pytest's exit code
KEPT_FOR = 14 * 86400.0


class Finished(Value):
    """A shard that is over. `out` is its folder of evidence, with `coverage/` where that was measured."""

    report: SuiteReport
    out: Path
    evidence: tuple[Path, ...] = ()


class Task:
    """What one shard is made of. A plain class: Prefect looks through values for futures, and these may be long.

    `impact`, where cases are recorded, are the installed files that are the project's own.
    `durations` are expected seconds by node id. `tell` hears how many cases are done, of how many.
    """

    def __init__(
        self,
        suite: Suite,
        shard: Shard,
        of: int,
        source: Source,
        environment: Environment,
        workers: int,
        durations: Mapping[str, float],
        tell: Callable[[int, int], None] = lambda done, total: None,
        impact: Mapping[str, str] | None = None,
    ) -> None:
        self.suite, self.shard, self.of, self.source = suite, shard, of, source
        self.impact = impact
        self.environment, self.workers, self.durations, self.tell = environment, workers, durations, tell

    def request(self, home: Path) -> RunRequest:
        """As the runner wants it; what it reads is written beside."""
        write(home / "durations.json", json.dumps(self.durations))
        if self.impact:
            write(home / "report" / "copies.json", json.dumps(self.impact))
        if self.suite.coverage is not None:
            write(home / "coveragerc", coverage.rcfile(self.suite.coverage, Path(self.source.root)))
        return self.asked(home / "tree", home / "report").model_copy(
            update={
                "durations": home / "durations.json",
                "coverage": home / "coveragerc" if self.suite.coverage is not None else None,
            }
        )

    def asked(self, root: Path, out: Path) -> RunRequest:
        """What is asked for, wherever its files are."""
        divides = {"shard": (self.shard.number, self.of)} if divides_itself(self.suite) and self.of > 1 else {}
        return RunRequest(
            suite=self.suite,
            root=root,
            out=out,
            interpreter=self.environment.python,
            selection=self.shard.selection,
            leave=self.shard.leave,
            timeout=self.suite.timeout,
            workers=self.workers,
            impact=self.impact is not None,
            **divides,
        )


def runner_of(suite: Suite) -> Any:
    """The suite's runner module."""
    return module("toolchain.runners", suite.framework)


def divides_itself(suite: Suite) -> bool:
    """Whether the framework is told `i of n` and divides the suite by itself."""
    return bool(getattr(runner_of(suite), "DIVIDES", False))


@contextlib.contextmanager
def mine(home: Path) -> Iterator[bool]:
    """Whether this folder is ours alone while the block lasts; another process that does the same has its own then."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


async def run_shard(task: Task, home: Path) -> tuple[SuiteReport, Ran]:
    """Runs it in `home`: the project's files in `tree`, what the runner says in `report`."""
    runner: Runner = runner_of(task.suite)
    with contextlib.suppress(FileNotFoundError):
        await asyncio.to_thread(shutil.rmtree, home / "tree")
    tree = await work_copy(task.source, home / "tree")
    await furnish(task.environment, task.source, tree)
    request = await asyncio.to_thread(task.request, home)
    async with watching(request.out / "journal", task.tell):
        ran = await execute(runner.command(request), request.out)
        if killed(ran) and getattr(runner, "RESUMES", False):
            # It goes on from its journal; the case that was running then has one attempt less.
            before = ran.seconds
            ran = await execute(runner.command(request), request.out)
            ran = ran.model_copy(update={"seconds": ran.seconds + before})
    report = told_empty(runner.parse(ran, request), ran, task.of)
    if not getattr(runner, "RETRIES", False):
        report = await retried(runner, request, report)
    await asyncio.to_thread(shutil.rmtree, home / "tree", ignore_errors=True)
    return report, ran


def killed(ran: Ran) -> bool:
    """Whether somebody ended the runner with a signal: the kernel for its memory, a person."""
    return not ran.timed_out and ran.exit_code is not None and ran.exit_code < 0


def told_empty(report: SuiteReport, ran: Ran, of: int) -> SuiteReport:
    """A shard of several may find nothing to run: its files hold cases that the suite's own options leave out. That
    nothing ran in any of them is for the judge to see."""
    if of == 1 or report.attempts or ran.exit_code != COLLECTED_NOTHING or ran.timed_out:
        return report
    notes = (*report.notes, "one shard found no case to run")
    return report.model_copy(update={"problems": (), "notes": notes, "complete": True})


async def retried(runner: Runner, request: RunRequest, report: SuiteReport) -> SuiteReport:
    """Runs what failed again, for a runner that cannot by itself. Every attempt is kept: a pass on retry is no pass."""
    for number in range(2, request.suite.retries + 2):
        failed = bad(report)
        if not failed or not report.complete:
            return report
        out = request.out.with_name(f"attempt-{number}")
        selection = tuple(str(attempt.case) for attempt in failed)
        narrowed = request.model_copy(update={"selection": selection, "leave": (), "out": out})
        report = with_round(report, runner.parse(await execute(runner.command(narrowed), out), narrowed))
    return report


def passed(report: SuiteReport) -> bool:
    """Whether a report can be quoted for the same content: whole, and nothing in it was ever bad."""
    return report.complete and not report.problems and not any(attempt.status.bad for attempt in report.attempts)


def keep(report: SuiteReport, out: Path, kept: Path, *, measured: bool) -> None:
    """Keeps a shard that passed, to be quoted: its report, and its coverage."""
    if not passed(report):
        return
    kept.mkdir(parents=True, exist_ok=True)
    if measured and (out / "coverage").is_dir():
        shutil.copytree(out / "coverage", kept / "coverage", dirs_exist_ok=True)
    write(kept / "report.json", report.model_dump_json())


def quoted(kept: Path, *, measured: bool) -> SuiteReport | None:
    """The report of a shard that passed at the same content, each attempt marked as reused; None when there is none."""
    try:
        report = SuiteReport.model_validate_json((kept / "report.json").read_bytes())
    except (OSError, ValueError):
        return None
    if measured and not (kept / "coverage").is_dir():
        return None
    os.utime(kept)
    again = tuple(attempt.model_copy(update={"reused": True}) for attempt in report.attempts)
    return report.model_copy(update={"attempts": again, "seconds": 0.0})


def sweep(store: Path, age: float = KEPT_FOR, now: Callable[[], float] = time.time) -> None:
    """Forgets the shards that nobody has asked for in two weeks."""
    for left in store.glob("*"):
        with contextlib.suppress(FileNotFoundError):
            if left.stat().st_mtime < now() - age:
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()
