"""Once a day: which cases flake, who may leave the quarantine, and who should enter it."""

from __future__ import annotations

from prefect import State, flow
from prefect.states import Completed

from domain.flakiness import State as CaseState
from tasks.flakiness import Look, kept_up, looked_at, published, wishes


@flow(name="flakiness", flow_run_name="{project}", persist_result=False)
async def flakiness(project: str = ".") -> State[Look]:
    """Looks at the histories of a project's cases and keeps its quarantine up: ends what has ended, releases what
    proved stable, sets flaky cases aside (`tests.quarantine.automatic`) or suggests it, and publishes a table.

    `project` is its folder. The result is a `Look`; a flaky case fails nothing here.
    """
    name, rule = await wishes(project)
    look = await kept_up(name, rule, await looked_at(name))
    await published(look)
    flaky, broken = look.count(CaseState.FLAKY), look.count(CaseState.BROKEN)
    message = f"{flaky} flaky, {broken} broken; {len(look.added)} set aside, {len(look.released)} released"
    return Completed(message=message, data=look)
