"""The three processes of the runtime: what is executed, with which settings, and how long each may take to stop."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from cli.runtime.database import database, is_current
from cli.runtime.environment import child_environment
from cli.runtime.state import State

POOL = "tes-process"


@dataclass(frozen=True)
class Child:
    """`module` is run as `python -m`; `grace` is the seconds between asking and killing."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    grace: float = 5.0

    def argv(self, pipe: int) -> list[str]:
        """The command line; `pipe` ends when the supervisor does."""
        return [sys.executable, "-P", "-m", "cli.runtime.child", str(pipe), self.module, *self.arguments]

    def environment(self, state: State) -> dict[str, str]:
        """The whole environment of the process."""
        return {**child_environment(state), **self.settings}


def server(state: State) -> Child:
    """Prefect's server under uvicorn: its own CLI imports for seconds what is not needed here."""
    address = ("--host", "127.0.0.1", "--port", str(state.prefect_port))
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
    factory = ("--factory", "prefect.server.api.server:create_app", "--log-level", "warning")
    keep = ("--timeout-keep-alive", "5", "--timeout-graceful-shutdown", "3")
    return Child("server", "uvicorn", (*factory, *address, *keep), settings, grace=8.0)


def worker(state: State) -> Child:
    """A process worker that looks for work every second, not every ten."""
    settings = {
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_WORKER_PREFETCH_SECONDS": "1",
        "PREFECT_WORKER_HEARTBEAT_SECONDS": "10",
        "PREFECT_WORKER_ENABLE_CANCELLATION": "true",
    }
    return Child("worker", "cli.runtime.worker", (POOL,), settings, grace=15.0)


def service(state: State) -> Child:
    """The API service."""
    return Child("service", "service", (), {"TES_SERVICE_PORT": str(state.service_port)})


def children(state: State) -> tuple[Child, ...]:
    """All of them; started at once, as each waits for what it needs by itself."""
    return server(state), worker(state), service(state)
