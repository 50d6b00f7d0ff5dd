"""Clears up after runs of a project that were killed: their rows, the leases they held, the previews they left.

A killed process can do none of that itself. The next run of the project does, before its own first stage.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from blocks.platforms import platform_named
from blocks.platforms.protocol import Disposes, HostsServices
from domain.errors import TesError
from domain.place import Lease, Target
from domain.spec import EnvironmentSpec
from tasks import recording
from tasks.diary import note
from tasks.lease import TTL
from tasks.run import Run

PREVIEW = "preview-"
log = logging.getLogger(__name__)


def preview_of(service: str, run_id: str) -> Target:
    """The environment in which a run puts its release under load."""
    return Target(service=service, environment=f"{PREVIEW}{run_id[:12]}")


async def remove(platform: HostsServices, lease: Lease) -> None:
    """Nothing of a preview is left."""
    if isinstance(platform, Disposes):
        await platform.dispose(lease)
    else:
        await platform.abort(lease, None)
        await platform.give_back(lease)


async def clear_up(run: Run) -> None:
    """Marks the project's abandoned runs interrupted, gives their leases back, removes previews that nobody holds.

    What cannot be cleared up now is left to the next run, and logged: it stands in nobody's way.
    """
    gone: dict[str, list[str]] = {}
    for run_id, environment in await recording.abandoned(run.project):
        await recording.interrupted(run_id)
        gone.setdefault(environment or "", []).append(run_id)
    ended = [run_id for ids in gone.values() for run_id in ids]
    places = {name: run.spec.environments.get(name, EnvironmentSpec()) for name in gone}
    for name in {run.place.platform, *(place.platform for place in places.values())}:
        try:
            platform = await platform_named(name)
            for environment in (found for found, place in places.items() if found and place.platform == name):
                await _free(platform, Target(service=run.project, environment=environment), ended)
            for target in await platform.targets():
                if target.service == run.project and target.environment.startswith(PREVIEW):
                    await _sweep(platform, target, run.holder, ended)
        except TesError as error:
            log.warning("what a killed run left on platform %s is not cleared up: %s", name, error.message)


def _of(lease: Lease, ended: Sequence[str]) -> bool:
    return any(lease.holder.endswith(f"run {run_id[:8]}") for run_id in ended)


async def _free(platform: HostsServices, target: Target, ended: Sequence[str]) -> None:
    # A dead holder's lease would keep us waiting until its time is over.
    lease = (await platform.inspect(target)).lease
    if lease is not None and _of(lease, ended):
        await platform.give_back(lease)
        why = "the process that held it is gone"
        await note(target, platform, "lease.given_back", holder=lease.holder, token=lease.token, why=why)


async def _sweep(platform: HostsServices, target: Target, holder: str, ended: Sequence[str]) -> None:
    held = (await platform.inspect(target)).lease
    if held is None or _of(held, ended):
        lease = await platform.acquire(target, held.holder if held else holder, TTL)
        await remove(platform, lease)
        await note(target, platform, "preview.removed", token=lease.token, why="the run that made it is gone")
