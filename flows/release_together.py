"""Takes several services from source to an environment as one release: all of them are promoted, or none."""

from __future__ import annotations

from prefect import State, flow

from domain.report import GroupReport
from domain.stages import STAGES
from flows.stages import built_and_proven, rolled_out_together
from tasks.courses import courses


@flow(name="release_together", flow_run_name="{projects} to {environment}", persist_result=False)
async def release_together(
    projects: list[str], environment: str = "staging", ref: str | None = None, version: str | None = None
) -> State[GroupReport]:
    """Builds, scans, tests and loads every project; when all are well, deploys and verifies them in step. Arguments and
    result as in `flows.deploy_together`."""
    async with courses("release", STAGES, projects, environment=environment, ref=ref, version=version) as group:
        made = await group.side_by_side(built_and_proven)
        if group.goes_on:
            await rolled_out_together(group, made)
        return await group.end()
