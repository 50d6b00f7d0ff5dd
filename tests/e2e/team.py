"""What a team has: a Prefect server of its own, and workers beside it. Each process is ended with its test."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun

from cli.runtime import health
from cli.runtime.database import database, is_current, prepare
from tests.image import ROOT


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as asked:
        asked.bind((host, 0))
        port: int = asked.getsockname()[1]
        return port


@contextmanager
def process(argv: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Runs it until the end of the block; its log is shown when the block fails. Nothing of our own Prefect goes in."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        running = subprocess.Popen(
            argv, env={**inherited, **environment}, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield running
        except BaseException:
            print(log.read_text()[-6000:])
            raise
        finally:
            running.send_signal(signal.SIGTERM)
            try:
                running.wait(30)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


@contextmanager
def answering(argv: list[str], url: str, log: Path, **environment: str) -> Iterator[None]:
    """A process that answers there."""
    with process(argv, log, **environment) as running:
        deadline = time.monotonic() + 120
        while not health.answers(url, 1.0):
            assert running.poll() is None and time.monotonic() < deadline, f"nothing answers at {url}"
            time.sleep(0.2)
        yield


@contextmanager
def prefect_server(home: Path, host: str = "127.0.0.1") -> Iterator[str]:
    """A server's API, on a database of its own. `host` is an address of this machine."""
    prepare(home)
    port = free_port(host)
    argv = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
    words = ["--host", host, "--port", str(port), "--timeout-keep-alive", "5"]
    ready = {"PREFECT_API_DATABASE_MIGRATE_ON_START": "false", "PREFECT_API_BLOCKS_REGISTER_ON_START": "false"}
    environment = {
        "PREFECT_HOME": str(database(home).parent),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        **(ready if is_current(home) else {}),
    }
    api_url = f"http://{host}:{port}/api"
    with answering([*argv, *words], f"{api_url}/health", home / "server.log", **environment):
        yield api_url


@contextmanager
def worker(api_url: str, pool: str, home: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Prefect's own worker, as a team starts it."""
    settings = {
        "PREFECT_API_URL": api_url,
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_WORKER_PREFETCH_SECONDS": "1",
    }
    argv = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool]
    with process(argv, home / f"{pool}.log", **settings, **environment) as running:
        yield running


async def until(look: Callable[[], Any], true: Callable[[Any], bool], seconds: float = 300) -> Any:
    """What `look` says when it is as wanted."""
    deadline = time.monotonic() + seconds
    while not true(found := await look()):
        assert time.monotonic() < deadline, f"it never came: {found}"
        await asyncio.sleep(0.5)
    return found


async def started(client: PrefectClient, deployment: str) -> UUID:
    """A run of the deployment."""
    found = await client.read_deployment_by_name(deployment)
    return (await client.create_flow_run_from_deployment(found.id)).id


async def ended(client: PrefectClient, run: UUID) -> FlowRun:
    """The run, when it is over."""
    found: FlowRun = await until(
        lambda: client.read_flow_run(run), lambda one: bool(one.state and one.state.is_final())
    )
    return found
