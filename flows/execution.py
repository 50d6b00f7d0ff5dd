"""Runs a revision's tests."""

from __future__ import annotations

from prefect import State, flow

from domain.report import Report
from flows.stages import tested
from tasks.course import course
from tasks.source import source


@flow(name="execution", flow_run_name="{project}", persist_result=False)
async def execution(project: str = ".", ref: str | None = None, start_at: str | None = None) -> State[Report]:
    """Runs a project's test suites. Arguments and result as in `flows.release`."""
    async with course("execution", ["tests"], project, ref=ref, start_at=start_at) as run:
        await tested(run, await source(run.run))
        return await run.end()
