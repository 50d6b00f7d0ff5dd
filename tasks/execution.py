"""The test stage: one task a suite; a suite's shards run side by side, its failed cases again within its budget."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from domain.cases import SuiteReport, final, judge
from domain.report import Stage
from domain.sharding import split
from domain.spec import Suite
from domain.supply import Source
from domain.verdict import Evidence, Outcome, Verdict
from tasks import progress, recording, test_reports
from tasks.execute import execute
from tasks.kinds import derive
from tasks.locked_environment import locked_environment
from tasks.run import Run
from tasks.snapshot import entries, work_copy
from tasks.stage import perform
from toolchain.registry import module
from toolchain.runners import Runner, RunRequest


def shards(suite: Suite, files: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The files of each shard; one empty selection (the suite's own paths) when there is nothing to divide."""
    if suite.shards == 1 or len(files) < 2:
        return ((),)
    return split([(name, None) for name in files], min(suite.shards, len(files)))


def merged(suite: str, reports: Sequence[SuiteReport]) -> SuiteReport:
    """The shards' reports as one. Not complete unless each is; their time is that of the longest."""
    return SuiteReport(
        suite=suite,
        attempts=tuple(attempt for report in reports for attempt in report.attempts),
        complete=all(report.complete for report in reports),
        problems=tuple(problem for report in reports for problem in report.problems),
        seconds=max((report.seconds for report in reports), default=0.0),
        unlisted=dict(sum((Counter(report.unlisted) for report in reports), Counter())),
    )


def test_files(suite: Suite, names: Sequence[str]) -> tuple[str, ...]:
    """The project's test files below the suite's paths, by pytest's own default patterns."""
    return tuple(
        name
        for name in names
        if (Path(name).match("test_*.py") or Path(name).match("*_test.py"))
        and (not suite.paths or any(Path(name).is_relative_to(path) for path in suite.paths))
    )


async def _go(runner: Runner, request: RunRequest) -> tuple[SuiteReport, tuple[Path, ...]]:
    ran = await execute(runner.command(request), request.out)
    return runner.parse(ran, request), tuple(path for path in (ran.report, ran.stdout, ran.stderr) if path)


async def _retried(runner: Runner, request: RunRequest, report: SuiteReport, retries: int) -> SuiteReport:
    """Runs what failed again, up to `retries` times. Every attempt is kept: a pass on retry is never just a pass."""
    for number in range(2, retries + 2):
        bad = [attempt for attempt in final(report.attempts).values() if attempt.status.bad]
        if not bad or not report.complete:
            return report
        again, _ = await _go(
            runner,
            request.model_copy(
                update={"selection": tuple(str(a.case) for a in bad), "out": request.out.with_name(f"attempt-{number}")}
            ),
        )
        known = {attempt.case for attempt in bad}
        more = [a.model_copy(update={"number": number}) for a in again.attempts if a.case in known]
        report = report.model_copy(update={"attempts": (*report.attempts, *more)})
    return report


@derive("tests {suite.name}")
async def tests(run: Run, source: Source, suite: Suite) -> Stage:
    """Runs one suite in the project's own environment; every attempt goes to the records."""
    runner: Runner = module("toolchain.runners", suite.framework)
    name = f"tests.{suite.name}"
    needs = (*run.spec.tests.requirements, *getattr(runner, "REQUIREMENTS", ()))

    async def work(out: Path) -> tuple[Verdict, dict[str, Any]]:
        progress.working(name, "making the environment")
        locked = await locked_environment(source, run.spec.build, run.store, needs)
        files = await asyncio.to_thread(lambda: [entry.path for entry in entries(source)])
        parts = shards(suite, test_files(suite, files))
        progress.working(name, f"running in {len(parts)} shard(s)")

        async def shard(number: int, selection: tuple[str, ...]) -> tuple[SuiteReport, tuple[Path, ...]]:
            home = out / f"shard-{number}"
            request = RunRequest(
                suite=suite,
                root=await work_copy(source, home / "tree"),
                out=home / "report",
                interpreter=locked.python,
                selection=selection,
                timeout=suite.timeout,
            )
            report, paths = await _go(runner, request)
            return (
                await _retried(runner, request, report, 0 if getattr(runner, "RETRIES", False) else suite.retries),
                paths,
            )

        went = await asyncio.gather(*(shard(i + 1, part) for i, part in enumerate(parts)))
        report = merged(suite.name, [one for one, _ in went])
        await recording.attempts(run, name, report.attempts)
        verdict = judge(report)
        evidence = tuple(Evidence(name=path.name, location=str(path)) for _, paths in went for path in paths)
        evidence += await asyncio.to_thread(test_reports.evidence, [report], [verdict], out)
        payload = await asyncio.to_thread(test_reports.payload, [report])
        return verdict.model_copy(update={"evidence": evidence}), payload

    inputs = {
        "source": source.digest,
        "suite": suite.model_dump(mode="json"),
        "requirements": [needs, run.spec.build.model_dump(mode="json")],
    }
    return await perform(run, name, inputs, work)


@derive("tests")
async def no_tests(run: Run, source: Source) -> Stage:
    """The verdict where there is no suite: nothing was proved, and that is said."""

    async def work(out: Path) -> tuple[Verdict, dict[str, Any]]:
        why = "no test suite is named in tes.yaml and none was detected; add tests.suites, or [] if none is wanted"
        if run.spec.tests.suites is not None:
            why = "nothing was tested: tests.suites is []"
        return Verdict(gate="tests", outcome=Outcome.INCONCLUSIVE, reasons=(why,)), {}

    return await perform(run, "tests", {"source": source.digest}, work, reusable=False)
