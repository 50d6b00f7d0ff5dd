"""Once a night: everything runs, and what `tes test --changed` would have quoted is compared with what came out."""

from __future__ import annotations

from prefect import State, flow

from domain.report import Report
from tasks.course import course
from tasks.selection import GATE, compared


@flow(name="selection", flow_run_name="{project}", persist_result=False)
async def selection(project: str = ".") -> State[Report]:
    """Runs all of a project's suites with recording. `project` is its folder.

    The stage `tests.selection` has the tests' outcome and the metrics `misses` and `compared`, which the records keep
    and the API's trend tells; a miss is told and fails nothing.
    """
    async with course("selection", [GATE], project) as run:
        run.heard([await compared(run.run)])
        return await run.end()
