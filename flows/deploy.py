"""Brings a revision to an environment without looking at it again: for what was released elsewhere before."""

from __future__ import annotations

from prefect import State, flow

from domain.report import Report
from flows.stages import built, rolled_out
from tasks.course import course


@flow(name="deploy", flow_run_name="{project} to {environment}", persist_result=False)
async def deploy(
    project: str = ".", environment: str = "staging", ref: str | None = None, version: str | None = None
) -> State[Report]:
    """Builds (or reuses), deploys and verifies. Arguments and result as in `flows.release`."""
    async with course(
        "deploy", ["build", "deploy", "verify"], project, environment=environment, ref=ref, version=version
    ) as run:
        files, artifact = await built(run)
        if artifact:
            await rolled_out(run, files, artifact)
        return await run.end()
