"""The test stage: one task a suite. A suite's shards are planned from its history, run, and merged into one verdict."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from domain.cases import judge
from domain.report import Stage, can_start_at
from domain.spec import Suite
from domain.supply import Source
from domain.verdict import Evidence, Outcome, Verdict
from tasks import progress, recording, test_reports
from tasks.changed_cases import Changed, why_not
from tasks.kinds import derive
from tasks.publish import Meter
from tasks.quarantine import in_force, quarantined
from tasks.repetition import repeated
from tasks.run import Run
from tasks.shard_run import runner_of
from tasks.shard_coordinator import on_many_machines
from tasks.shards import on_this_machine, planned
from tasks.stage import digest, perform
from tasks.suite_environment import suite_environment
from toolchain import coverage

# Between two looks at the bar in the Prefect UI.
METER_S = 5.0


@derive("tests {suite.name}")
async def tests(run: Run, source: Source, suite: Suite) -> Stage:
    """Runs one suite in the project's own environment; every attempt goes to the records."""
    name = f"tests.{suite.name}"
    needs = (*run.spec.tests.requirements, *getattr(runner_of(suite), "REQUIREMENTS", ()))
    if suite.coverage is not None:
        needs = (*needs, *coverage.REQUIREMENTS)
    inputs = {
        "source": source.digest,
        "suite": suite.model_dump(mode="json"),
        "requirements": [needs, run.spec.build.model_dump(mode="json")],
    }
    if run.spec.tests.select != "all":
        inputs["select"] = run.spec.tests.select
    key = digest(name, inputs)

    async def work(out: Path) -> tuple[Verdict, dict[str, Any]]:
        progress.working(name, "getting ready")
        history = await recording.durations(run, suite.name)
        store = run.store / "shards"
        plan = await asyncio.to_thread(planned, suite, source, history, store / f"{key[:32]}-plan.json")
        told = "running" if len(plan.shards) == 1 else f"running in {len(plan.shards)} shards"

        meter, shown = Meter(run, name), -METER_S

        def tell(done: int, total: int) -> None:
            nonlocal shown
            progress.working(name, told, done, total)
            if total and (time.monotonic() - shown > METER_S or done == total):
                shown = time.monotonic()
                meter.show(100 * done / total, f"{done:,} of {total:,} cases")

        changed: Changed | None = None
        if run.spec.tests.distribute is not None and len(plan.shards) > 1:
            report, finished = await on_many_machines(run, source, suite, plan, out, needs, history, tell)
            if run.spec.tests.select == "changed":
                note = f"everything runs: {why_not(suite, elsewhere=True)}"
                report = report.model_copy(update={"notes": (*report.notes, note)})
        else:
            environment = await suite_environment(source, suite, run.spec.build, run.store, needs)
            again = not can_start_at(name, run.start_at)
            changed = asked = await asyncio.to_thread(
                Changed, run, source, suite, plan, environment.python, history, again=again
            )
            told = "running" if len(asked.plan.shards) < 2 else f"running in {len(asked.plan.shards)} shards"
            report, finished = await on_this_machine(
                suite, source, environment, asked.plan, store, out, key,
                durations=history, tell=tell, again=again or asked.planned is not None,
                impact=asked.copies,
            )  # fmt: skip
            report = await asyncio.to_thread(asked.taken_in, report, [one.out for one in finished])
            report = await repeated(run, source, suite, environment.python, report, out)
        aside = await quarantined(run, report, source.digest)
        await recording.attempts(run, name, report.attempts)
        verdict = judge(report, aside)
        if changed is not None:
            verdict = changed.counted(verdict, report)
        evidence = tuple(Evidence(name=path.name, location=str(path)) for one in finished for path in one.evidence)
        before = await recording.trend(run, suite.name)
        title = f"{run.project}: {suite.name}"
        evidence += await asyncio.to_thread(
            test_reports.evidence, [report], [verdict], out, trend=before, quarantined=aside.cases, title=title
        )
        payload = await asyncio.to_thread(test_reports.payload, [report], quarantined=aside.cases)
        if suite.coverage is not None:
            payload |= {"coverage": [str(one.out / "coverage") for one in finished], "whole": report.complete}
        return verdict.model_copy(update={"evidence": evidence}), payload

    held = await in_force(run, suite.name)
    return await perform(run, name, {**inputs, **held}, work, still_there=_measurements_are_there)


def _measurements_are_there(payload: dict[str, Any]) -> bool:
    return all(Path(folder).is_dir() for folder in payload.get("coverage", ()))


@derive("tests")
async def no_tests(run: Run, source: Source) -> Stage:
    """The verdict where there is no suite: nothing was proved, and that is said."""

    async def work(out: Path) -> tuple[Verdict, dict[str, Any]]:
        why = "no test suite is named in tes.yaml and none was detected; add tests.suites, or [] if none is wanted"
        if run.spec.tests.suites is not None:
            why = "nothing was tested: tests.suites is []"
        return Verdict(gate="tests", outcome=Outcome.INCONCLUSIVE, reasons=(why,)), {}

    return await perform(run, "tests", {"source": source.digest}, work, reusable=False)
