"""What runs, since when, and does it answer: from the state file and the processes themselves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cli.runtime import health
from cli.runtime.state import Runtime, State, read
from settings import settings

PROBE_S = 0.5


@dataclass(frozen=True)
class ChildStatus:
    """`status` is running, starting, restarting, stopped or lost; `answers` is None for a child without a port."""

    name: str
    pid: int | None
    status: str
    since: str
    restarts: int
    last_exit: int | None
    answers: bool | None


@dataclass(frozen=True)
class RuntimeStatus:
    """`supervised` is False when the supervisor is gone: the next `up` clears the rest away and starts anew."""

    runtime: Runtime
    since: str
    supervised: bool
    ready: bool
    children: tuple[ChildStatus, ...]

    @property
    def healthy(self) -> bool:
        """Everything runs and answers."""
        return (
            self.supervised
            and self.ready
            and all(c.status == "running" and c.answers is not False for c in self.children)
        )


def status(home: Path | None = None) -> RuntimeStatus | None:
    """The runtime of this home (default: `TES_HOME`); None when there is none. Takes milliseconds, or 0.5 s."""
    state = read(home or settings().state)
    if state is None:
        return None
    addresses = {"server": f"{state.runtime.prefect_api_url}/health", "service": f"{state.service_url}/healthz"}
    with ThreadPoolExecutor(len(addresses)) as pool:
        asked = {name: pool.submit(health.answers, url, PROBE_S) for name, url in addresses.items()}
        answers = {name: future.result() for name, future in asked.items()}
    children = tuple(_child(state, name, answers.get(name)) for name in state.children)
    supervised = state.supervisor.alive
    if not supervised and not any(child.pid for child in children):
        return None
    return RuntimeStatus(state.runtime, state.since, supervised, state.ready, children)


def _child(state: State, name: str, answers: bool | None) -> ChildStatus:
    told = state.children[name]
    alive = told.process is not None and told.process.alive
    pid = told.process.pid if told.process and alive else None
    shown = "lost" if told.status == "running" and not alive else told.status
    return ChildStatus(name, pid, shown, told.since, told.restarts, told.last_exit, answers)
