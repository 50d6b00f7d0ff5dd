"""Builds a revision: the first stage of a release, alone."""

from __future__ import annotations

from prefect import State, flow

from domain.report import Report
from flows.stages import built
from tasks.course import course


@flow(name="build", flow_run_name="{project}", persist_result=False)
async def build(project: str = ".", ref: str | None = None) -> State[Report]:
    """Builds a project's artifact. Arguments and result as in `flows.release`."""
    async with course("build", ["build"], project, ref=ref) as run:
        await built(run)
        return await run.end()
