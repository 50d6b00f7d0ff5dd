"""The four processes of the runtime: what is executed, with which settings, and how long each may take to stop."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from cli.runtime.database import database, is_current
from cli.runtime.environment import child_environment
from cli.runtime.state import State

POOL = "tes-process"


@dataclass(frozen=True)
class Child:
    """`module` is run as `python -m` with these descriptors open; `grace` is the seconds between asking and killing."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    descriptors: tuple[int, ...] = ()
    grace: float = 5.0

    def argv(self, pipe: int) -> list[str]:
        """The command line; `pipe` ends when the supervisor does."""
        return [sys.executable, "-P", "-m", "cli.runtime.child", str(pipe), self.module, *self.arguments]

    def environment(self, state: State) -> dict[str, str]:
        """The whole environment of the process."""
        return {**child_environment(state), **self.settings}


def server(state: State, listening: int) -> Child:
    """Prefect's server without its CLI, which imports for seconds what is not needed here."""
    settings = {
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{database(state.home)}",
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(state.prefect_port),
        "PREFECT_UI_API_URL": state.runtime.prefect_api_url,
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        # Lets the server drop what only a process with several servers needs.
        "PREFECT__SERVER_FINAL": "1",
    }
    if is_current(state.home):
        settings |= {
            "PREFECT_API_DATABASE_MIGRATE_ON_START": "false",
            # Each start would import every Prefect integration installed, to find out that nothing is new.
            "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
            "PREFECT_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
        }
    arguments = (str(listening), "prefect.server.api.server:create_app()")
    return Child("server", "cli.runtime.asgi", arguments, settings, (listening,), grace=8.0)


def worker() -> Child:
    """A process worker that looks for work every second, not every ten."""
    settings = {
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_WORKER_PREFETCH_SECONDS": "1",
        "PREFECT_WORKER_HEARTBEAT_SECONDS": "10",
        "PREFECT_WORKER_ENABLE_CANCELLATION": "true",
    }
    return Child("worker", "cli.runtime.worker", (POOL,), settings, grace=15.0)


def service(listening: int) -> Child:
    """The API service."""
    return Child("service", "cli.runtime.asgi", (str(listening), "service.app:app"), {}, (listening,))


def launcher() -> Child:
    """Has everything imported, and forks for each command."""
    return Child("launcher", "cli.runtime.launcher")


def children(state: State, prefect: int, api: int) -> tuple[Child, ...]:
    """All of them, given the sockets to serve."""
    return server(state, prefect), worker(), service(api), launcher()
