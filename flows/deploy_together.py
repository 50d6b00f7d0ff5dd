"""Brings several services to an environment as one release: all of them are promoted, or none."""

from __future__ import annotations

from prefect import State, flow

from domain.report import GroupReport
from flows.stages import built, rolled_out_together
from tasks.courses import courses


@flow(name="deploy_together", flow_run_name="{projects} to {environment}", persist_result=False)
async def deploy_together(
    projects: list[str], environment: str = "staging", ref: str | None = None, version: str | None = None
) -> State[GroupReport]:
    """Builds (or reuses) every project, then deploys and verifies them in step. `projects` are their folders; the other
    arguments are as in `flows.release`, and count for each. Completed only when all are PASS."""
    async with courses(
        "deploy", ["build", "deploy", "verify"], projects, environment=environment, ref=ref, version=version
    ) as group:
        made = await group.side_by_side(built)
        if group.goes_on:
            await rolled_out_together(group, made)
        return await group.end()
