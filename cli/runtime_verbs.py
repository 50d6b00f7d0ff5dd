"""`tes up` and `tes down`."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys

from cli import runtime
from domain.development import NAME
from settings import settings


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
    """Stops the runtime and what compose runs for development; with `everything`, also the local platform."""
    ran = asyncio.run(_down(everything))
    print("stopped" if ran else "nothing was running")
    return 0


async def _down(everything: bool) -> bool:
    stopped = await runtime.down()
    if (settings().state / NAME).is_dir():
        from tasks.development import bring_down

        stopped = bool(await bring_down()) or stopped
    if everything:
        from blocks.platforms.local import LocalPlatform  # Prefect comes with it: not before it is needed

        platform = LocalPlatform()
        stopped = bool(await platform.targets()) or stopped
        await platform.stop_all()
    return stopped
