"""Makes a Prefect server ready: work pool, deployments, automation. Repeating it changes nothing, and says so."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowFilter, FlowFilterId
from prefect.client.schemas.responses import DeploymentResponse
from prefect.utilities.callables import parameter_schema_from_entrypoint

from deployments import pools, schedules, work_pool, zombies
from deployments.change import Change, Did
from deployments.definitions import Deployment, definitions
from deployments.server import connected

POOL = pools.PROCESS.pool


async def setup(
    api_url: str,
    *,
    root: Path | None = None,
    remember: Path | None = None,
    source: Path | None = None,
    interpreter: str | None = None,
    pool: work_pool.Wanted | None = None,
    project: str | None = None,
) -> tuple[Change, ...]:
    """Register everything of prefect.yaml (or `source`) at this API, and say what was done to each part; nothing at all
    when `remember` has the digest of just that.

    `pool` is the one that all deployments shall use; left out, the embedded runtime's. `interpreter` is the Python that
    all workers of that pool share, if they do: naming it starts a run 1 s sooner.
    `root` is what a parameter `project: .` stands for: a run starts in a folder of its own. In containers the folders
    are others: there `project` says where it lies, and without it nothing is run by a schedule.
    A deployment whose flow is not installed is left out, and the next `setup` looks again.

    Raises SpecError for a pool that cannot be made, Unavailable and Rejected as the server answers.
    """
    root = (root or Path.cwd()).resolve()
    wanted = definitions(source)
    present = [one for one in wanted if _module(one) is not None]
    asked = pool or work_pool.embedded(shlex.join([interpreter, "-m", "prefect.engine"]) if interpreter else None)
    digest = _digest(api_url, root, wanted, present, [asdict(asked), project])
    if remember is not None and remember.exists() and remember.read_text() == digest:
        return ()
    async with connected(api_url) as client:
        kind, change = await work_pool.made(client, asked)
        done = [change]
        # One after the other: writers that compete for SQLite wait for each other's back-off, ten times as long in all.
        flows = {name: await client.create_flow_from_name(name) for name in sorted({one.flow_name for one in present})}
        known = await _known(client, flows)
        for one in wanted:
            if one not in present:
                done.append(Change("deployment", one.full_name, Did.LEFT_OUT, f"{one.entrypoint} is not installed"))
                continue
            placed = _placed(one, asked.name if pool else one.work_pool, kind, root, project)
            idle = len(placed.schedules) < len(one.schedules)
            did = await _register(client, flows[one.flow_name], placed, known.get(one.full_name))
            why = "without its schedule: --project says what it would run on" if idle else ""
            done.append(Change("deployment", one.full_name, did, why))
        done.append(Change("automation", zombies.NAME, await _automation(client)))
    if remember is not None:
        remember.parent.mkdir(parents=True, exist_ok=True)
        remember.write_text(digest)
    return tuple(done)


def _module(deployment: Deployment) -> Path | None:
    """The source file of the flow, found without importing it."""
    try:
        found = importlib.util.find_spec(deployment.entrypoint.rpartition(".")[0])
    except ModuleNotFoundError:
        return None
    return Path(found.origin) if found and found.origin else None


def _digest(api_url: str, root: Path, wanted: Sequence[Deployment], present: list[Deployment], asked: Any) -> str:
    """Changes with whatever would be registered differently: the flows' sources hold the parameters' schema."""
    ours = (__file__, zombies.__file__, work_pool.__file__, schedules.__file__)
    files = {*map(Path, ours), *pools.files(), *filter(None, map(_module, present))}
    sources = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
    version = importlib.metadata.version("prefect")
    parts = [api_url, str(root), version, [asdict(one) for one in wanted], asked, sources]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _placed(one: Deployment, pool: str, kind: pools.Type, root: Path, project: str | None) -> Deployment:
    """The deployment as it is on that pool: where its project lies, and whether it can run by itself."""
    parameters, times = dict(one.parameters), one.schedules
    if "project" in parameters:
        if project is not None:
            parameters["project"] = project
        elif not kind.in_containers:
            parameters["project"] = str((root / parameters["project"]).resolve())
        else:
            times = ()
    return Deployment(one.name, one.entrypoint, pool, one.description, one.tags, parameters, times)


async def _known(client: PrefectClient, flows: dict[str, UUID]) -> dict[str, DeploymentResponse]:
    """What is registered of these flows, by full name."""
    names = {identifier: name for name, identifier in flows.items()}
    chosen = FlowFilter(id=FlowFilterId(any_=list(names))) if names else None
    found: dict[str, DeploymentResponse] = {}
    while chosen and (page := await client.read_deployments(flow_filter=chosen, limit=200, offset=len(found))):
        found |= {f"{names[one.flow_id]}/{one.name}": one for one in page}
    return found


async def _register(client: PrefectClient, flow: UUID, deployment: Deployment, known: DeploymentResponse | None) -> Did:
    times = schedules.wanted(deployment.schedules, known.schedules if known else ())
    schema = parameter_schema_from_entrypoint(deployment.entrypoint).model_dump_for_openapi()
    sent: dict[str, Any] = {
        "entrypoint": deployment.entrypoint,
        "work_pool_name": deployment.work_pool,
        "description": deployment.description,
        "tags": list(deployment.tags),
        "parameters": deployment.parameters,
        "parameter_openapi_schema": schema,
        "enforce_parameter_schema": True,
        # The flows are installed, not fetched; `prefect deploy` may have left a step.
        "pull_steps": [],
    }
    # Sending it again would take away the runs that are scheduled already.
    if known is not None and schedules.same(times, known.schedules) and all(_has(known, *one) for one in sent.items()):
        return Did.UNCHANGED
    await client.create_deployment(flow_id=flow, name=deployment.name, schedules=times, **sent, **_theirs(known, sent))
    return Did.UPDATED if known else Did.CREATED


def _has(known: DeploymentResponse, name: str, value: Any) -> bool:
    there = getattr(known, name)
    return bool(there == value or (not there and not value))


def _theirs(known: DeploymentResponse | None, sent: dict[str, Any]) -> dict[str, Any]:
    """What is a person's to say and would be reset by what is sent: variables, limit, and the queue of the same pool.
    A deployment that is paused stays so by itself."""
    if known is None:
        return {}
    limit = known.global_concurrency_limit
    kept: dict[str, Any] = {"job_variables": known.job_variables, "concurrency_limit": limit.limit if limit else None}
    if known.concurrency_options is not None:
        kept["concurrency_options"] = known.concurrency_options
    if known.work_pool_name == sent["work_pool_name"] and known.work_queue_name:
        kept["work_queue_name"] = known.work_queue_name
    return kept


async def _automation(client: PrefectClient) -> Did:
    wanted = zombies.automation()
    known = await client.read_automations_by_name(wanted.name)
    if not known:
        await client.create_automation(wanted)
        return Did.CREATED
    wanted.enabled = known[0].enabled
    if zombies.same(wanted, known[0]):
        return Did.UNCHANGED
    await client.update_automation(known[0].id, wanted)
    return Did.UPDATED
