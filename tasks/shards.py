"""A suite's shards: planned from history, run as tasks of this machine or as runs on a work pool, merged into one."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from domain.cases import CaseId, SuiteReport
from domain.errors import Unavailable
from domain.merging import merged
from domain.plan import Plan, Shard, plan, whole
from domain.python_names import top_level
from domain.spec import Suite
from domain.supply import Source
from tasks.cores import CORES, share
from tasks.journal_watch import Count
from tasks.kinds import derive
from tasks.manifest import write
from tasks.shard_run import Finished, Task, divides_itself, keep, mine, quoted, run_shard, runner_of, sweep
from tasks.snapshot import entries
from tasks.suite_environment import Environment
from tasks.publish import in_prefect
from tasks.stage import more_tries

# What takes cases out of a suite, or needs to see all of them, cannot be told part of a file.
_CHOOSES = ("-k", "-m", "--deselect", "--lf", "--last-failed", "--ff", "--failed-first", "--nf", "--sw", "--stepwise")


def planned(suite: Suite, source: Source, durations: Mapping[CaseId, float], kept: Path) -> Plan:
    """The suite's plan at this content: the one that was made for it before, so that what its shards have done counts,
    else a new one from history."""
    try:
        return Plan.model_validate_json(kept.read_bytes())
    except (OSError, ValueError):
        made = new_plan(suite, source, durations)
        kept.parent.mkdir(parents=True, exist_ok=True)
        write(kept, made.model_dump_json())
        return made


def new_plan(suite: Suite, source: Source, durations: Mapping[CaseId, float]) -> Plan:
    """A plan for the files that are there."""
    if divides_itself(suite) and suite.shards > 1:
        return Plan(suite=suite.name, basis="framework", shards=tuple(Shard(number=n + 1) for n in range(suite.shards)))
    if not getattr(runner_of(suite), "LEAVES", False):
        return whole(suite.name)
    root = Path(source.root)
    rules = runner_of(suite).collects(root, suite.paths)
    known = {case.file for case in durations}
    files = {
        entry.path: entry.size
        for entry in entries(source)
        if rules.below(entry.path) and (entry.path in known or rules.looks(entry.path))
    }
    return plan(suite.name, suite.shards, files, durations, lambda file: _names(suite, root, file))


def divisible(suite: Suite) -> bool:
    """Whether the cases of one file may be told to several shards."""
    return suite.group_by not in ("file", "group") and not any(arg.startswith(_CHOOSES) for arg in suite.args)


def _names(suite: Suite, root: Path, file: str) -> Sequence[str] | None:
    if not divisible(suite):
        return None
    try:
        return top_level((root / file).read_text("utf-8"))
    except (OSError, ValueError):
        return None


@derive("shard {number} of {of}: {name}")
async def shard(name: str, number: int, of: int, task: Task, home: Path, evidence: Path, again: bool) -> Finished:
    """One shard on this machine. `home` is named by its content: an interrupted run left there goes on, one that passed
    is quoted. `again` does neither."""
    measured = task.suite.coverage is not None
    if not again and (report := await asyncio.to_thread(quoted, home / "kept", measured=measured)):
        return Finished(report=report, out=home / "kept")
    with mine(home) as ours:
        place = home / "run" if ours else evidence / "work"
        if again:
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
        async with CORES.held(task.workers):
            report, ran = await run_shard(task, place)
        if (
            not ran.timed_out
            and not report.complete
            and not any(a.status.bad for a in report.attempts)
            and more_tries()
        ):
            # Killed, or broken down: what it finished is in its folder, and the next try goes on from there.
            raise Unavailable(f"shard {number} of {of} of {name} broke: {'; '.join(report.problems)}")
        await asyncio.to_thread(_moved, place, evidence)
        await asyncio.to_thread(keep, report, evidence / "report", home / "kept", measured=measured)
    paths = (path for path in (ran.report, ran.stdout, ran.stderr) if path)
    moved = tuple(evidence / path.relative_to(place) for path in paths if path.is_relative_to(place))
    return Finished(report=report, out=evidence / "report", evidence=moved)


def _moved(place: Path, evidence: Path) -> None:
    evidence.mkdir(parents=True, exist_ok=True)
    for child in place.iterdir():
        target = evidence / child.name
        if target.exists():  # an earlier try of the same task
            shutil.rmtree(target) if target.is_dir() else target.unlink()
        shutil.move(child, target)
    place.rmdir()


async def on_this_machine(
    suite: Suite,
    source: Source,
    environment: Environment,
    made: Plan,
    store: Path,
    out: Path,
    key: str,
    *,
    durations: Mapping[CaseId, float] | None = None,
    tell: Callable[[int, int], None] = lambda done, total: None,
    again: bool = False,
    impact: Mapping[str, str] | None = None,
) -> tuple[SuiteReport, list[Finished]]:
    """Every shard as a task of its own, as many at once as there are processors for; merged. With `impact`, the
    installed files that are the project's own, they record what each case depends on."""
    of = len(made.shards)
    workers = share(of, suite.workers, CORES.total)
    seconds = {str(case): value for case, value in (durations or {}).items()}
    count = Count(tell, {part.number: part.cases for part in made.shards})
    await asyncio.to_thread(sweep, store)
    # One alone is the suite's own task; outside of Prefect nobody would keep a task's state.
    run = shard if of > 1 and in_prefect() else shard.fn
    finished: list[Finished] = await asyncio.gather(
        *(
            run(
                suite.name,
                part.number,
                of,
                Task(suite, part, of, source, environment, workers, seconds, count.of(part.number), impact),
                store / f"{key[:32]}-{part.number}",
                out / f"shard-{part.number}",
                again,
            )
            for part in made.shards
        )
    )
    reports = {part.number: one.report for part, one in zip(made.shards, finished, strict=True)}
    return merged(made, reports), finished
