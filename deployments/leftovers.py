"""Containers whose flow run is over: Prefect leaves them when a worker dies, and when a run is cancelled (its issue
21616). `tes gc --runs` calls `clear` on the machine of a Docker pool's engine.

What counts is the server's word about the run that a container names in its label. A run that this server does not
know, or that is not over, keeps its container, whatever state that is in.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun

from deployments.server import connected
from domain.errors import Unavailable

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

LABEL = "io.prefect.flow-run-id"
# A run is over a moment before its process has sent its last log lines, and its worker has read the exit code.
GRACE_S = 30.0
PAGE = 200


@dataclass(frozen=True)
class Leftover:
    """A container that belongs to no run that goes on. `removed` is False when only looked for."""

    container: str
    name: str
    run: str
    state: str
    removed: bool


async def clear(
    api_url: str, *, grace: float = GRACE_S, look: bool = False, engine: DockerClient | None = None
) -> tuple[Leftover, ...]:
    """Remove the containers of runs that have been over for `grace` seconds, with their own volumes, and say which;
    with `look`, only say. `engine` is this machine's where none is given.

    Raises Unavailable when the engine or the server do not answer: then nothing is known to be over.
    """
    import docker
    import requests
    from docker.errors import DockerException

    mine = engine is None
    try:
        engine = engine or await asyncio.to_thread(docker.from_env)
        # The containers first: one that is made after this belongs to a run that had begun again by then.
        found = await asyncio.to_thread(_labelled, engine)
        over = await _over(api_url, list(found.values()), datetime.now(UTC) - timedelta(seconds=grace))
        told = []
        for container, run in found.items():
            if run in over:
                removed = not look and await asyncio.to_thread(_remove, container)
                state = over[run].state
                name = state.name if state and state.name else ""
                told.append(Leftover(container.short_id, container.name or "", str(run), name, removed))
        return tuple(told)
    except (DockerException, requests.RequestException) as error:
        raise Unavailable(f"the Docker engine does not answer: {error}", fix="start it, or set DOCKER_HOST") from error
    finally:
        if mine and engine is not None:
            engine.close()


def _labelled(engine: DockerClient) -> dict[Container, UUID]:
    """Container → the run that it names; without those whose label is no run's id."""
    found = {}
    for container in engine.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True):
        try:
            found[container] = UUID(container.labels[LABEL])
        except (KeyError, ValueError):
            continue  # not Prefect's: whoever made it keeps it
    return found


async def _over(api_url: str, runs: list[UUID], before: datetime) -> dict[UUID, FlowRun]:
    """Those runs that the server knows and that ended before that time."""
    if not runs:
        return {}
    async with connected(api_url) as client:
        known = [one for page in _pages(sorted(set(runs))) for one in await _read(client, page)]
    return {one.id: one for one in known if one.state and one.state.is_final() and one.state.timestamp < before}


def _pages(runs: list[UUID]) -> list[list[UUID]]:
    return [runs[at : at + PAGE] for at in range(0, len(runs), PAGE)]


async def _read(client: PrefectClient, runs: list[UUID]) -> list[FlowRun]:
    return await client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=runs)), limit=PAGE)


def _remove(container: Container) -> bool:
    """True when it is gone by this; False when somebody else removed it, or is at it."""
    from docker.errors import APIError, NotFound

    try:
        container.remove(force=True, v=True)
    except NotFound:
        return False
    except APIError as error:
        if error.status_code == 409:  # its removal has begun already
            return False
        raise
    return True
