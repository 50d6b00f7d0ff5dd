"""What runs, in `runtime.json` of the home: written by the supervisor alone, read by everybody."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from cli.runtime.process import ProcessId
from domain.errors import SpecError

LAYOUT = 1


@dataclass(frozen=True)
class Runtime:
    """Where a runtime answers. `pids` is empty for a Prefect server that is not ours (`TES_PREFECT_API_URL`)."""

    prefect_api_url: str
    prefect_ui_url: str
    service_url: str | None
    pids: dict[str, int]
    home: Path


@dataclass
class ChildState:
    """`status` is starting, running, restarting or stopped; `last_exit` a return code, negative for a signal."""

    process: ProcessId | None = None
    status: str = "starting"
    restarts: int = 0
    last_exit: int | None = None
    since: str = ""


@dataclass
class State:
    """`id` marks every process of this runtime; `ready` tells whether pool and deployments are registered."""

    id: str
    home: Path
    supervisor: ProcessId
    prefect_port: int
    service_port: int
    since: str
    ready: bool = False
    stopping: bool = False
    children: dict[str, ChildState] = field(default_factory=dict)

    @property
    def prefect_url(self) -> str:
        """Root of the Prefect server: the UI; the API is below `/api`."""
        return f"http://127.0.0.1:{self.prefect_port}"

    @property
    def service_url(self) -> str:
        """Root of the API service."""
        return f"http://127.0.0.1:{self.service_port}"

    @property
    def processes(self) -> dict[str, ProcessId]:
        """Supervisor and children, by name."""
        running = {name: child.process for name, child in self.children.items() if child.process}
        return {"supervisor": self.supervisor, **running}

    @property
    def runtime(self) -> Runtime:
        """The part that callers need."""
        pids = {name: process.pid for name, process in self.processes.items()}
        return Runtime(f"{self.prefect_url}/api", self.prefect_url, self.service_url, pids, self.home)


def state_path(home: Path) -> Path:
    """The state file of a home."""
    return home / "runtime.json"


def write(state: State) -> None:
    """Replace the state file: a reader sees the old or the new one, never half of it."""
    path = state_path(state.home)
    document = {"layout": LAYOUT, **dataclasses.asdict(state), "home": str(state.home)}
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    beside.write_text(json.dumps(document, indent=1) + "\n")
    os.replace(beside, path)


def read(home: Path) -> State | None:
    """The last state written; None when there is none, or none that this version understands."""
    try:
        document = json.loads(state_path(home).read_text())
        if document.pop("layout") != LAYOUT:
            return None
        document["home"] = Path(document["home"])
        document["supervisor"] = ProcessId(**document["supervisor"])
        document["children"] = {name: _child(values) for name, values in document["children"].items()}
        return State(**document)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise SpecError(
            f"TES_HOME={home} cannot be used: {error.strerror}", fix="set TES_HOME to a folder of your own"
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError):
        # Not ours to repair: the supervisor's lock tells whether one runs, and `up` writes a new one.
        return None


def _child(values: dict[str, object]) -> ChildState:
    process = values.pop("process")
    child = ChildState(**values)  # type: ignore[arg-type]  # a wrong type is a TypeError that read() answers
    if isinstance(process, dict):
        child.process = ProcessId(**process)
    return child
