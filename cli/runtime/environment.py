"""What the runtime's processes and its clients need in their environment.

A user's own Prefect profile neither leaks in nor is changed: `PREFECT_*` of the caller is dropped for the children, and
everything that Prefect writes is below the home.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cli.runtime.process import MARK
from cli.runtime.state import Runtime, State

HEARTBEAT_S = 30


def prefect_home(home: Path) -> Path:
    """The folder of everything that belongs to Prefect: database, profiles, results."""
    return home / "prefect"


def environment(runtime: Runtime) -> dict[str, str]:
    """Variables for a process that talks to the runtime, so that `prefect deployment run` works.

    A server that is not ours keeps the caller's own profile (its credentials may be there): only its address is given.
    """
    if not runtime.pids:
        return {"PREFECT_API_URL": runtime.prefect_api_url}
    folder = prefect_home(runtime.home)
    return {
        "PREFECT_API_URL": runtime.prefect_api_url,
        "PREFECT_HOME": str(folder),
        "PREFECT_PROFILES_PATH": str(folder / "profiles.toml"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # 30 s is the least that Prefect takes; the zombie automation (deployments/) waits for three of them.
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S),
    }


def child_environment(state: State) -> dict[str, str]:
    """The environment of every child: the caller's without its Prefect settings, plus the runtime's."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    own.update(environment(state.runtime))
    own[MARK] = state.id
    own["TES_HOME"] = str(state.home)
    own["PYTHONUNBUFFERED"] = "1"
    # Tools that were installed with us are found without activating the environment.
    own["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), own.get("PATH", os.defpath)])
    return own
