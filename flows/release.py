"""Takes a revision from source to an environment: build → scan and test → load → deploy → verify, or back."""

from __future__ import annotations

import asyncio

from prefect import State, flow

from domain.report import Report
from domain.stages import STAGES
from flows.stages import built, loaded, rolled_out, scanned, tested
from tasks.course import course


@flow(name="release", flow_run_name="{project} to {environment}", persist_result=False)
async def release(
    project: str = ".",
    environment: str = "staging",
    ref: str | None = None,
    start_at: str | None = None,
    version: str | None = None,
) -> State[Report]:
    """Releases a project to one of its environments.

    Args:
        project: the folder of the project, with its tes.yaml if it has one.
        environment: a name under `environments` in tes.yaml.
        ref: a git revision; the work tree as it is when left out.
        start_at: do this stage and the later ones again, even where their inputs are unchanged.
        version: what to call the release; the ref or the revision when left out.

    Returns a state named after the verdict: Completed for PASS, Failed for FAIL and INCONCLUSIVE.
    """
    async with course(
        "release", STAGES, project, environment=environment, ref=ref, version=version, start_at=start_at
    ) as run:
        files, artifact = await built(run)
        if artifact and run.goes_on:
            await asyncio.gather(scanned(run, files, artifact), tested(run, files))
        if artifact and run.goes_on:
            await loaded(run, files, artifact)
        if artifact and run.goes_on:
            await rolled_out(run, files, artifact)
        return await run.end()
