"""Goes back to an earlier release of an environment."""

from __future__ import annotations

from prefect import State, flow

from domain.report import Report
from tasks.course import course
from tasks.go_back import go_back


@flow(name="rollback", flow_run_name="{project} in {environment}", persist_result=False)
async def rollback(project: str = ".", environment: str = "staging", to: str | None = None) -> State[Report]:
    """Takes an environment back to `to`, or to the release before the present one. Result as in `flows.release`.

    `tes rollback` does the same without a Prefect server and without the records.
    """
    async with course("rollback", ["deploy", "verify"], project, environment=environment) as run:
        placed = await go_back(run.run, to)
        run.heard(placed.stages)
        run.version, run.address, run.state = placed.version, placed.address, placed.state
        return await run.end()
