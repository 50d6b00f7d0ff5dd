"""Takes several services of an environment back to earlier releases: all of them, or none."""

from __future__ import annotations

from prefect import State, flow

from domain.report import GroupReport
from flows.stages import gone_back_together
from tasks.courses import courses


@flow(name="rollback_together", flow_run_name="{projects} in {environment}", persist_result=False)
async def rollback_together(projects: list[str], environment: str = "staging") -> State[GroupReport]:
    """Takes each service to the release before its present one. Refused for all where one cannot go back. Arguments and
    result as in `flows.deploy_together`.

    `tes rollback` does the same without a Prefect server and without the records.
    """
    async with courses("rollback", ["deploy", "verify"], projects, environment=environment) as group:
        await gone_back_together(group)
        return await group.end()
