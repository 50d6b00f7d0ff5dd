"""Start, find and stop a home's runtime. Two that start it at once get one; what a crash left is cleared first."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from cli.runtime import health, log
from cli.runtime.lock import held
from cli.runtime.process import MARK, ProcessId, marked, send
from cli.runtime.state import Runtime, State, read, state_path
from domain.errors import ToolError, Unavailable
from settings import settings

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 30.0
READY_TIMEOUT_S = 180.0
# The service is told about, not waited for, when it keeps ending: a release does not need it.
SERVICE_TRIES = 3
# Tells the supervisor that a command started it, which goes on as soon as the server answers.
COMMAND_FIRST = "--command-first"


async def up(*, wait: bool = True, progress: Callable[[str], None] = lambda _: None) -> Runtime:
    """The running runtime of `TES_HOME`, started if need be; with `wait`, when all of it answers and is registered.

    Raises `ToolError` with the end of the log when a part does not come up, `LockHeld` when another start hangs.
    """
    if external := settings().prefect_api_url:
        return await _external(external)
    home = settings().state
    async with held(home / "runtime.lock", READY_TIMEOUT_S):
        state = read(home)
        if state is not None and state.stopping:
            progress("waiting for the runtime that is stopping")
            await _gone([state.supervisor], STOP_TIMEOUT_S)
            send(state.supervisor, signal.SIGKILL)
            await _gone([state.supervisor], 2.0)
            state = read(home)
        if state is None or not state.supervisor.alive:
            if state is not None:
                progress("clearing away what an earlier runtime left behind")
                await _end(_left(state), 5.0)
            progress("starting the Prefect server, a worker and the API service")
            state = await _start(home, command_first=not wait)
    return await _wait_until_ready(state, progress) if wait else state.runtime


async def ensure(progress: Callable[[str], None] = lambda _: None, *, wait: bool = True) -> Runtime:
    """A Prefect server to work with: `TES_PREFECT_API_URL`, else the running runtime, else a new one.

    With `wait` its API answers (the worker and the service may still be starting); without, see `wait_for_api`.
    """
    if external := settings().prefect_api_url:
        return await _external(external)
    state = read(settings().state)
    if state is not None and not state.stopping and state.supervisor.alive:
        if health.answers(f"{state.runtime.prefect_api_url}/health", 1.0):
            return state.runtime
    runtime = await up(wait=False, progress=progress)
    if wait:
        await wait_for_api(runtime)
    return runtime


async def wait_for_api(runtime: Runtime, timeout: float = READY_TIMEOUT_S) -> None:
    """Return when the Prefect API answers; after `timeout` seconds `ToolError` (ours) or `Unavailable` (another's)."""
    deadline = time.monotonic() + timeout
    while not await health.wait(f"{runtime.prefect_api_url}/health", min(1.0, deadline - time.monotonic())):
        if runtime.pids:
            _still_supervised(runtime.home)
        if time.monotonic() > deadline:
            raise _silent(runtime, timeout)


async def down(timeout: float = STOP_TIMEOUT_S) -> bool:
    """Stop the runtime of `TES_HOME`: asked first, killed after `timeout` seconds. False when none ran.

    Deployed services stay: they belong to their platform, not to the runtime.
    """
    home = settings().state
    if not state_path(home).exists():
        return False
    async with held(home / "runtime.lock", READY_TIMEOUT_S):
        state = read(home)
        if state is None:
            state_path(home).unlink(missing_ok=True)
            return False
        ran = bool(_left(state)) or state.supervisor.alive
        if send(state.supervisor, signal.SIGTERM):
            await _gone([state.supervisor], timeout)
            send(state.supervisor, signal.SIGKILL)
        await _end(_left(state), 5.0)
        state_path(home).unlink(missing_ok=True)
        return ran


async def _external(url: str) -> Runtime:
    runtime = Runtime(url, url.removesuffix("/").removesuffix("/api"), None, {}, settings().state)
    # Not `health`: a team's server may be https, need credentials, or redirect; its client finds out.
    if url.startswith("http://") and not await health.wait(f"{url}/health", 5.0):
        raise _silent(runtime, 5.0)
    return runtime


async def _start(home: Path, *, command_first: bool) -> State:
    """Spawn the supervisor and wait for its first word. `command_first`: what a command waits for comes first."""
    mark = uuid.uuid4().hex
    errors = log.logs(home) / "supervisor.err"
    errors.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    environment = {**os.environ, MARK: mark, "TES_HOME": str(home)}
    environment.setdefault("TES_PROJECT_ROOT", str(Path.cwd()))
    with errors.open("wb") as output:
        spawned = subprocess.Popen(
            [sys.executable, "-P", "-m", "cli.runtime.supervisor", *([COMMAND_FIRST] if command_first else [])],
            env=environment,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    # Reaped when it ends, so that a caller who lives long does not keep it as a zombie.
    threading.Thread(target=spawned.wait, daemon=True).start()
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        state = read(home)
        if state is not None and state.id == mark:
            return state
        if spawned.poll() is not None:
            break
        await asyncio.sleep(0.02)
    spawned.kill()
    raise ToolError(f"the runtime's supervisor did not start:\n{log.tail(errors)}", fix=f"see {errors.parent}")


async def _wait_until_ready(state: State, progress: Callable[[str], None]) -> Runtime:
    deadline = time.monotonic() + READY_TIMEOUT_S
    await wait_for_api(state.runtime, READY_TIMEOUT_S)
    progress(f"Prefect answers at {state.prefect_url}")
    while not (current := _still_supervised(state.home)).ready:
        if time.monotonic() > deadline:
            path = log.logs(state.home) / "worker.log"
            raise ToolError(
                f"the worker is not ready after {READY_TIMEOUT_S:.0f} s:\n{log.tail(path)}", fix=f"see {path}"
            )
        await asyncio.sleep(0.1)
    while not await health.wait(f"{state.service_url}/healthz", 0.5):
        current = _still_supervised(state.home)
        if current.children["service"].restarts >= SERVICE_TRIES or time.monotonic() > deadline:
            progress(f"the API service does not come up: see {log.logs(state.home) / 'service.log'}")
            return current.runtime
    progress(f"the API service answers at {state.service_url}")
    return current.runtime


def _still_supervised(home: Path) -> State:
    state = read(home)
    if state is None or not state.supervisor.alive:
        path = log.logs(home) / "supervisor.log"
        raise ToolError(f"the runtime ended while it was starting:\n{log.tail(path)}", fix=f"see {path}, then `tes up`")
    return state


def _silent(runtime: Runtime, timeout: float) -> ToolError | Unavailable:
    if not runtime.pids:
        return Unavailable(
            f"TES_PREFECT_API_URL={runtime.prefect_api_url} does not answer within {timeout:.0f} s",
            fix="start that server, or unset TES_PREFECT_API_URL to use the embedded one",
        )
    path = log.logs(runtime.home) / "server.log"
    return ToolError(f"the Prefect server is silent after {timeout:.0f} s:\n{log.tail(path)}", fix=f"see {path}")


def _left(state: State) -> list[ProcessId]:
    """Everything of this runtime that lives but its supervisor. The supervisor led the session, so its pid names it."""
    return [process for process in marked(state.id, state.supervisor.pid) if process != state.supervisor]


async def _end(processes: list[ProcessId], timeout: float) -> None:
    for process in processes:
        send(process, signal.SIGTERM)
    await _gone(processes, timeout)
    for process in processes:
        send(process, signal.SIGKILL)
    await _gone(processes, 2.0)


async def _gone(processes: list[ProcessId], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while any(process.alive for process in processes) and time.monotonic() < deadline:
        await asyncio.sleep(0.03)
