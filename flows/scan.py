"""Scans a revision and what is built of it."""

from __future__ import annotations

from prefect import State, flow

from domain.report import Report
from flows.stages import built, scanned
from tasks.course import course


@flow(name="scan", flow_run_name="{project}", persist_result=False)
async def scan(project: str = ".", ref: str | None = None, start_at: str | None = None) -> State[Report]:
    """Looks for trouble in a project. Arguments and result as in `flows.release`."""
    async with course("scan", ["build", "scan"], project, ref=ref, start_at=start_at) as run:
        files, artifact = await built(run)
        if artifact:
            await scanned(run, files, artifact)
        return await run.end()
