"""Every hour: whether what runs is what was released."""

from __future__ import annotations

from prefect import State, flow

from domain.drift import GATE
from domain.report import Report
from tasks.course import course
from tasks.drift import converged, looked


@flow(name="drift", flow_run_name="{project} in {environment}", persist_result=False)
async def drift(project: str = ".", environment: str = "staging", converge: bool = False) -> State[Report]:
    """Looks at an environment and changes nothing, unless it is told to `converge`: then what was promoted last is
    provisioned and promoted again, and looked at again. Arguments and result as in `flows.release`.

    FAIL when what runs is not what was released; INCONCLUSIVE when the platform cannot be asked.
    """
    async with course("drift", [GATE], project, environment=environment) as run:
        look = await looked(run.run)
        if converge:
            look = await converged(run.run, look)
        run.heard([look.stage])
        run.version, run.address, run.state = look.version, look.address, look.state
        return await run.end()
