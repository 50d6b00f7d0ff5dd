"""Makes a Prefect server ready: work pool, deployments, automation. Repeating it changes nothing."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.utilities.callables import parameter_schema_from_entrypoint

from deployments import zombies
from deployments.definitions import Deployment, definitions

POOL = "tes-process"
POOLS = Path(__file__).parent / "pools"


async def setup(
    api_url: str,
    *,
    root: Path | None = None,
    remember: Path | None = None,
    source: Path | None = None,
    interpreter: str | None = None,
) -> bool:
    """Register everything of prefect.yaml (or `source`) at this API; False when `remember` has the digest of just that.

    `root` is what a parameter `project: .` stands for: a run starts in a folder of its own. A deployment whose flow is
    not installed is left out, and the next `setup` looks again. `interpreter` is the Python that all workers
    of the pool share, if they do: naming it starts a run 1 s sooner.
    """
    root = (root or Path.cwd()).resolve()
    wanted = definitions(source)
    present = [one for one in wanted if _module(one) is not None]
    template = json.loads((POOLS / "process.json").read_text())
    if interpreter:
        template["variables"]["properties"]["command"]["default"] = shlex.join([interpreter, "-m", "prefect.engine"])
    digest = _digest(api_url, root, wanted, present, template)
    if remember is not None and remember.exists() and remember.read_text() == digest:
        return False
    async with PrefectClient(api_url) as client:
        await _pool(client, template)
        # One after the other: writers that compete for SQLite wait for each other's back-off, ten times as long in all.
        flows = {name: await client.create_flow_from_name(name) for name in sorted({one.flow_name for one in present})}
        for deployment in present:
            await _register(client, flows[deployment.flow_name], deployment, root)
        await _automation(client)
    if remember is not None:
        remember.parent.mkdir(parents=True, exist_ok=True)
        remember.write_text(digest)
    return True


def _module(deployment: Deployment) -> Path | None:
    """The source file of the flow, found without importing it."""
    try:
        found = importlib.util.find_spec(deployment.entrypoint.rpartition(".")[0])
    except ModuleNotFoundError:
        return None
    return Path(found.origin) if found and found.origin else None


def _digest(
    api_url: str, root: Path, wanted: tuple[Deployment, ...], present: list[Deployment], template: dict[str, Any]
) -> str:
    """Changes with whatever would be registered differently: the flows' sources hold the parameters' schema."""
    files = {Path(__file__), Path(zombies.__file__), *filter(None, map(_module, present))}
    sources = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
    version = importlib.metadata.version("prefect")
    parts = [api_url, str(root), version, [asdict(one) for one in wanted], template, sources]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


async def _pool(client: PrefectClient, template: dict[str, Any]) -> None:
    description = "Runs flows as processes of this machine; kept by the embedded runtime."
    try:
        pool = WorkPoolCreate(name=POOL, type="process", base_job_template=template, description=description)
        await client.create_work_pool(pool)
    except ObjectAlreadyExists:
        # Whether it is paused, and its limit, are a person's to say.
        await client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=template, description=description))


async def _register(client: PrefectClient, flow: UUID, deployment: Deployment, root: Path) -> None:
    parameters = dict(deployment.parameters)
    paused = await _paused(client, deployment)
    if "project" in parameters:
        parameters["project"] = str((root / parameters["project"]).resolve())
    await client.create_deployment(
        flow_id=flow,
        name=deployment.name,
        entrypoint=deployment.entrypoint,
        work_pool_name=deployment.work_pool,
        description=deployment.description,
        tags=list(deployment.tags),
        parameters=parameters,
        parameter_openapi_schema=parameter_schema_from_entrypoint(deployment.entrypoint).model_dump_for_openapi(),
        enforce_parameter_schema=True,
        # The flows are installed, not fetched; `prefect deploy` may have left a step.
        pull_steps=[],
        schedules=[
            DeploymentScheduleCreate(schedule=schedule, active=one.active and schedule not in paused)
            for one in deployment.schedules
            for schedule in [CronSchedule(cron=one.cron, timezone=one.timezone)]
        ],
    )


async def _paused(client: PrefectClient, deployment: Deployment) -> list[object]:
    """The schedules that a person has switched off: that is theirs to say."""
    if not deployment.schedules:
        return []
    try:
        known = await client.read_deployment_by_name(deployment.full_name)
    except ObjectNotFound:
        return []
    return [one.schedule for one in known.schedules if not one.active]


async def _automation(client: PrefectClient) -> None:
    wanted = zombies.automation()
    known = await client.read_automations_by_name(wanted.name)
    if known:
        await client.update_automation(known[0].id, wanted)
    else:
        await client.create_automation(wanted)
