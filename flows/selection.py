"""Once a night: everything runs, and what `tes test --changed` would have quoted is compared with what came out."""

from __future__ import annotations

from prefect import State, flow
from prefect.states import Completed, Failed

from domain.verdict import Outcome, Verdict
from tasks.selection import compared, published


@flow(name="selection", flow_run_name="{project}", persist_result=False)
async def selection(project: str = ".") -> State[Verdict]:
    """Runs all of a project's suites with recording. `project` is its folder.

    The result is the tests' verdict with the metrics `misses` and `compared`; a miss is told and fails nothing.
    """
    verdict = await compared(project)
    await published(project, verdict)
    message = "; ".join(verdict.reasons)
    if verdict.outcome is Outcome.PASS:
        return Completed(message=message, data=verdict)
    return Failed(message=message, data=verdict)
