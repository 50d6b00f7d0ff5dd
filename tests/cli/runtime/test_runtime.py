"""The runtime with its real processes: one a home, whatever is killed, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import UUID

import psutil
import pytest

from cli import runtime
from cli.runtime import health, ports
from cli.runtime.children import POOL
from cli.runtime.process import identify
from domain.errors import ToolError, Unavailable
from tests.cli.runtime.conftest import belonging

STARTED = "import asyncio; from cli import runtime; print(asyncio.run(runtime.up()).pids['supervisor'])"


async def until(true: Callable[[], object], seconds: float = 30) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not true after {seconds} s"
        await asyncio.sleep(0.05)


def child(home: Path, name: str) -> runtime.ChildStatus:
    """What is told of one child."""
    told = runtime.status(home)
    assert told is not None
    return next(one for one in told.children if one.name == name)


async def test_two_starts_at_once_give_one_runtime(home: Path) -> None:
    starts = [subprocess.Popen([sys.executable, "-c", STARTED], stdout=subprocess.PIPE) for _ in range(2)]
    outputs = [await asyncio.to_thread(start.communicate) for start in starts]
    assert [start.returncode for start in starts] == [0, 0]
    assert outputs[0] == outputs[1] and int(outputs[0][0]) > 1
    assert (await runtime.up()).pids["supervisor"] == int(outputs[0][0])


async def test_what_runs_is_told_and_reused(home: Path) -> None:
    running = await runtime.up()
    assert set(running.pids) >= {"supervisor", "server", "worker"}
    told = runtime.status()
    again = await runtime.ensure()
    assert told is not None and told.supervised and told.ready
    assert child(home, "server").answers is True and child(home, "worker").status == "running"
    assert again == running


def test_asking_costs_no_import_of_prefect() -> None:
    code = "import sys; from cli import runtime; runtime.status(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "cli.runtime.lifecycle" in loaded
    assert {"prefect", "httpx", "sqlalchemy"} & set(loaded) == set()


async def test_the_user_interface_is_served_and_finds_its_api(home: Path) -> None:
    running = await runtime.up()
    assert health.answers(running.prefect_ui_url, 5)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(running.prefect_ui_url.rpartition(":")[2]))
    writer.write(b"GET /ui-settings HTTP/1.0\r\n\r\n")
    body = (await reader.read()).partition(b"\r\n\r\n")[2]
    writer.close()
    assert json.loads(body)["api_url"] == running.prefect_api_url


async def test_a_killed_server_comes_back_on_its_port_and_who_asks_meanwhile_waits(home: Path) -> None:
    running = await runtime.up()
    os.kill(running.pids["server"], signal.SIGKILL)
    asked = asyncio.create_task(asyncio.to_thread(health.answers, f"{running.prefect_api_url}/health", 60))
    assert await asked is True
    await until(lambda: child(home, "server").pid not in (None, running.pids["server"]))
    await runtime.wait_for_api(running, 60)
    after = runtime.status()
    assert after is not None and after.runtime.prefect_api_url == running.prefect_api_url
    assert child(home, "server").last_exit == -signal.SIGKILL and child(home, "server").restarts == 1
    assert after.runtime.pids["worker"] == running.pids["worker"]


@contextlib.asynccontextmanager
async def deployed(running: runtime.Runtime) -> AsyncIterator[tuple[object, UUID]]:
    """A client and the deployment of `hello`."""
    from prefect.client.orchestration import PrefectClient

    async with PrefectClient(running.prefect_api_url) as client:
        flow = await client.create_flow_from_name("hello")
        folder = {"prefect.deployments.steps.set_working_directory": {"directory": str(Path(__file__).parent)}}
        yield client, await client.create_deployment(
            flow, "test", entrypoint="hello.py:hello", work_pool_name=POOL, pull_steps=[folder]
        )


async def ended(client: object, run: UUID, seconds: float = 60) -> str:
    """The final state's name."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        state = (await client.read_flow_run(run)).state  # type: ignore[attr-defined]
        if state.is_final():
            return str(state.name)
        await asyncio.sleep(0.1)
    raise AssertionError(f"still {state.name} after {seconds} s")


async def test_the_worker_runs_a_flow_in_our_environment_and_not_in_the_users(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await runtime.up()
    async with deployed(running) as (client, deployment):
        run = await client.create_flow_run_from_deployment(  # type: ignore[attr-defined]
            deployment, parameters={"report": str(tmp_path / "report")}
        )
        assert await ended(client, run.id) == "Completed"
    seen = json.loads((tmp_path / "report").read_text())
    assert seen["TES_HOME"] == str(home)
    assert seen["PREFECT_API_URL"] == running.prefect_api_url
    assert seen["PREFECT_HOME"].startswith(str(home)) and seen["PREFECT_PROFILES_PATH"].startswith(str(home))


async def test_a_killed_worker_is_replaced_and_work_goes_on(home: Path, tmp_path: Path) -> None:
    running = await runtime.up()
    os.kill(running.pids["worker"], signal.SIGKILL)
    await until(lambda: child(home, "worker").pid not in (None, running.pids["worker"]))
    async with deployed(running) as (client, deployment):
        run = await client.create_flow_run_from_deployment(  # type: ignore[attr-defined]
            deployment, parameters={"report": str(tmp_path / "report")}
        )
        assert await ended(client, run.id) == "Completed"


async def test_killing_the_supervisor_ends_its_children_and_the_next_up_starts_anew(home: Path) -> None:
    for _ in range(3):
        running = await runtime.up()
        os.kill(running.pids["supervisor"], signal.SIGKILL)
        await until(lambda: identify(running.pids["supervisor"]) is None)
        # A child that cannot end by itself: the next `up` must. Stopped before its parent ended, it would get a SIGHUP;
        # on a busy machine it may have ended before it is stopped, and then there is nothing to be seen.
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pids["server"], signal.SIGSTOP)
        orphan = identify(running.pids["server"])
        if orphan is not None and psutil.Process(orphan.pid).status() == psutil.STATUS_STOPPED:
            break
    assert orphan is not None
    await until(lambda: identify(running.pids["worker"]) is None, 15)
    told = runtime.status()
    # None: on a busy machine the kernel has woken and ended the stopped one, too, whose group nobody was left to lead.
    assert told is None or (not told.supervised and not told.healthy)
    after = await runtime.up()
    assert after.pids["supervisor"] != running.pids["supervisor"]
    assert not orphan.alive
    assert set(after.pids.values()) & set(running.pids.values()) == set()
    assert after.prefect_api_url == running.prefect_api_url


async def test_another_server_is_used_and_none_is_started(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await runtime.up()
    monkeypatch.setenv("TES_HOME", str(tmp_path / "unused"))
    monkeypatch.setenv("TES_PREFECT_API_URL", running.prefect_api_url)
    used = await runtime.ensure()
    assert (used.prefect_api_url, used.prefect_ui_url) == (running.prefect_api_url, running.prefect_ui_url)
    assert used.pids == {} and not (tmp_path / "unused").exists()
    assert runtime.environment(used) == {"PREFECT_API_URL": running.prefect_api_url}


async def test_down_leaves_nothing_behind_not_even_a_run_in_progress(home: Path, tmp_path: Path) -> None:
    """The last that uses the shared runtime: starting another one costs more than all the rest."""
    running = await runtime.up()
    async with deployed(running) as (client, deployment):
        await client.create_flow_run_from_deployment(  # type: ignore[attr-defined]
            deployment, parameters={"report": str(tmp_path / "report"), "hold": 120}
        )
        await until((tmp_path / "report").exists, 120)
    # The worker is gone first, so that nobody else knows of the run's process.
    os.kill(running.pids["worker"], signal.SIGKILL)
    assert await runtime.down() is True
    assert belonging(home) == []
    assert runtime.status() is None
    assert await runtime.down() is False
    wanted = int(running.prefect_ui_url.rpartition(":")[2])
    with ports.listen(wanted) as free:
        assert ports.number(free) == wanted


async def test_a_home_that_is_removed_takes_its_runtime_along(own_home: Path) -> None:
    running = await runtime.up(wait=False)
    own_home.rename(own_home.with_name("gone"))  # at once: it is written to all the time
    shutil.rmtree(own_home.with_name("gone"), ignore_errors=True)
    await until(lambda: identify(running.pids["supervisor"]) is None)
    await until(lambda: belonging(own_home) == [], 15)


async def test_ports_in_use_are_passed_over(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        taken = stranger.getsockname()[1]
        monkeypatch.setenv("TES_SERVICE_PORT", str(taken))
        running = await runtime.up(wait=False)
    assert running.service_url is not None
    assert taken < int(running.service_url.rpartition(":")[2]) <= taken + ports.SPAN


async def test_nothing_runs_in_a_fresh_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TES_HOME", str(tmp_path / "fresh"))
    assert runtime.status() is None
    assert await runtime.down() is False
    assert not (tmp_path / "fresh").exists()


async def test_another_server_that_is_silent_is_an_error_that_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TES_PREFECT_API_URL", "http://127.0.0.1:1/api")
    with pytest.raises(Unavailable, match="TES_PREFECT_API_URL=http://127.0.0.1:1/api"):
        await runtime.ensure()


async def test_a_supervisor_that_cannot_start_says_why(own_home: Path) -> None:
    own_home.mkdir()
    # A folder where its log should be.
    (own_home / "logs" / "supervisor.log").mkdir(parents=True)
    with pytest.raises(ToolError, match="supervisor.log"):
        await runtime.up()
