"""`tes up`, `tes down` and `tes status`."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from typing import Any

from cli import runtime
from domain.place import ServiceState


def up(as_json: bool) -> int:
    """Starts the runtime, or finds it running, and says where it answers."""

    def note(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    found = asyncio.run(runtime.up(progress=note))
    if as_json:
        print(json.dumps(dataclasses.asdict(found), default=str, indent=2))
        return 0
    print(f"Prefect   {found.prefect_ui_url}")
    if found.service_url:
        print(f"service   {found.service_url}/docs")
    print("\nfor the prefect command:")
    for name, value in runtime.environment(found).items():
        if name in ("PREFECT_API_URL", "PREFECT_HOME", "PREFECT_PROFILES_PATH"):
            print(f"  export {name}={value}")
    print("\nstop it with: tes down")
    return 0


def down(everything: bool) -> int:
    """Stops the runtime; with `everything`, the services on the local platform as well."""
    ran = asyncio.run(_down(everything))
    print("stopped" if ran else "nothing was running")
    return 0


async def _down(everything: bool) -> bool:
    stopped = await runtime.down()
    if everything:
        from blocks.platforms.local import LocalPlatform  # Prefect comes with it: not before it is needed

        platform = LocalPlatform()
        stopped = bool(await platform.targets()) or stopped
        await platform.stop_all()
    return stopped


def status(as_json: bool) -> int:
    """What runs: the runtime's parts, and every environment of the local platform."""
    found = runtime.status()
    places = asyncio.run(_places())
    if as_json:
        parts = dataclasses.asdict(found) if found else None
        told = [{**place.model_dump(mode="json"), "standing": standing} for place, standing in places]
        document: dict[str, Any] = {"runtime": parts, "environments": told}
        print(json.dumps(document, default=str, indent=2))
        return 0
    if found is None:
        print("the runtime is not running; `tes up` starts it")
    else:
        for child in found.children:
            print(f"{child.name:9} {child.status:10} pid {child.pid} since {child.since} restarts {child.restarts}")
        print(f"Prefect   {found.runtime.prefect_ui_url}")
        print(f"service   {found.runtime.service_url}")
    for place, standing in places:
        print(f"{standing}  {place.address}")
        if place.lease is not None:
            print(f"  held by {place.lease.holder}, token {place.lease.token}")
    return 0


async def _places() -> list[tuple[ServiceState, str]]:
    from blocks.platforms import platform_named
    from tasks.deploy import standing

    platform = await platform_named("local")
    return [await standing(platform, target) for target in await platform.targets()]
