"""Puts a revision under load."""

from __future__ import annotations

from prefect import State, flow

from domain.report import Report
from flows.stages import built, loaded
from tasks.course import course


@flow(name="load", flow_run_name="{project}", persist_result=False)
async def load(project: str = ".", ref: str | None = None, start_at: str | None = None) -> State[Report]:
    """Measures whether a project bears the load it asks for. Arguments and result as in `flows.release`."""
    async with course("load", ["build", "load"], project, ref=ref, start_at=start_at) as run:
        files, artifact = await built(run)
        if artifact:
            await loaded(run, files, artifact)
        return await run.end()
