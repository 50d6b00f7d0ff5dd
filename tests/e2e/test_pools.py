"""Flows and shards where a team's work pool says: in containers of the project's own image."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import docker
import pytest
from docker import DockerClient
from docker.models.containers import Container
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, StateType

from deployments.leftovers import LABEL, clear
from tests.e2e.driver import Tes
from tests.image import built, can_make

IMAGE = f"test-execution-system:pools-{os.getpid()}"
pytestmark = [
    pytest.mark.requires("docker", "docker-worker", "package-index"),
    pytest.mark.skipif(not can_make(), reason="making images needs root and debootstrap"),
    pytest.mark.timeout(900),
]
_SPEC = """\
name: spread
tests:
  distribute: {storage: /srv/shared, start_within: 8m}
  suites: [{name: unit, framework: pytest, shards: 2, workers: 1, timeout: 8m}]
"""


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tes, str]]:
    """A Prefect server that is not the one of the other tests, and its API."""
    command = Tes(tmp_path_factory.mktemp("team") / "home")
    up = command.run("up", "--json")
    assert up.code == 0, up.err
    yield command, up.report["prefect_api_url"]
    command.run("down", "--all")


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    with built(IMAGE):
        yield IMAGE


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerClient]:
    connected = docker.from_env()
    yield connected
    connected.close()


@pytest.fixture
async def client(team: tuple[Tes, str]) -> AsyncIterator[PrefectClient]:
    async with PrefectClient(team[1]) as connected:
        yield connected


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A project, and the storage between an execution and its shards: the image's user has to write there."""
    top = tmp_path_factory.mktemp("pools")
    project, shared = top / "spread", top / "shared"
    project.mkdir()
    shared.mkdir()
    shared.chmod(0o777)
    for folder in (top, project):
        folder.chmod(0o755)
    (project / "tes.yaml").write_text(_SPEC)
    (project / "requirements.txt").write_text("")
    for name in ("a", "b"):
        (project / f"test_{name}.py").write_text("def test_it(): assert True\n")
    return project, shared


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pytest for the containers, which reach no package index: it and what it needs run on every Python."""
    into = tmp_path_factory.mktemp("wheels")
    words = ["--quiet", "--only-binary", ":all:", "--dest", str(into)]
    subprocess.run([sys.executable, "-m", "pip", "download", *words, "pytest"], check=True, timeout=240)
    into.chmod(0o755)
    return into


@contextmanager
def worker(api_url: str, pool: str, home: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Prefect's own worker, as a team starts it."""
    log = home / f"{pool}.log"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    with log.open("wb") as output:
        started = subprocess.Popen(
            [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool],
            env={
                **inherited,
                "PREFECT_API_URL": api_url,
                "PREFECT_HOME": str(home / "prefect"),
                "PREFECT_WORKER_QUERY_SECONDS": "1",
                "PREFECT_WORKER_PREFETCH_SECONDS": "1",
                **environment,
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield started
        except BaseException:
            print(log.read_text()[-6000:])
            raise
        finally:
            started.send_signal(signal.SIGTERM)
            try:
                started.wait(30)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()


async def until(look: Callable[[], Any], true: Callable[[Any], bool], seconds: float = 300) -> Any:
    deadline = time.monotonic() + seconds
    while not true(found := await look()):
        assert time.monotonic() < deadline, f"it never came: {found}"
        await asyncio.sleep(0.5)
    return found


async def started(client: PrefectClient, deployment: str) -> UUID:
    found = await client.read_deployment_by_name(deployment)
    return (await client.create_flow_run_from_deployment(found.id)).id


async def ended(client: PrefectClient, run: UUID) -> FlowRun:
    found: FlowRun = await until(
        lambda: client.read_flow_run(run), lambda one: bool(one.state and one.state.is_final())
    )
    return found


def containers(engine: DockerClient, *runs: UUID) -> list[Container]:
    found = engine.containers.list(all=True, filters={"label": LABEL})
    return [one for one in found if one.labels[LABEL] in set(map(str, runs))]


@pytest.fixture(scope="module")
def on_docker(
    team: tuple[Tes, str],
    image: str,
    folders: tuple[Path, Path],
    wheels: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[subprocess.Popen[bytes]]:
    """A Docker pool that `tes setup` made, and a worker for it."""
    tes, api_url = team
    project, shared = folders
    volumes = json.dumps([f"{project}:/srv/spread:ro", f"{shared}:/srv/shared", f"{wheels}:/srv/wheels:ro"])
    environment = json.dumps({"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/srv/wheels"})
    words = ["--image", image, "--project", "/srv/spread", "--limit", "3"]
    variables = ["network_mode=host", f"volumes={volumes}", "image_pull_policy=Never", f"env={environment}"]
    chosen = [word for variable in variables for word in ("--set", variable)]
    made = tes.run("setup", "--api", api_url, "--pool", "docker", *words, *chosen, "--json")
    assert made.code == 0, made.err
    assert made.report["pool"] == "tes-docker" and made.report["changed"]
    with worker(api_url, "tes-docker", tmp_path_factory.mktemp("worker")) as running:
        yield running


async def test_an_execution_and_its_shards_run_in_containers_of_the_image(
    on_docker: object, client: PrefectClient, engine: DockerClient, team: tuple[Tes, str], folders: tuple[Path, Path]
) -> None:
    run = await started(client, "execution/default")
    over = await ended(client, run)
    assert over.state is not None and over.state.type == StateType.COMPLETED, over.state
    committed = sorted(path.relative_to(folders[1]).parts[1:] for path in folders[1].rglob("commit.json"))
    assert committed == [("unit", str(number), "1", "commit.json") for number in (1, 2)]
    shards = [one for one in await client.read_flow_runs() if one.name.startswith("unit shard")]
    assert len(shards) == 2
    left = containers(engine, run, *(one.id for one in shards))
    assert len(left) == 3 and {one.attrs["Config"]["Image"] for one in left} == {IMAGE}
    # Nothing of a run stays behind that `tes gc` would not find.
    removed = await clear(team[1], grace=0)
    assert {one.run for one in removed} >= {str(run), *(str(one.id) for one in shards)}
    assert not containers(engine, run, *(one.id for one in shards))


async def test_a_container_that_is_killed_is_a_crash_that_is_seen_at_once_and_leaves_nothing(
    on_docker: object, client: PrefectClient, engine: DockerClient, team: tuple[Tes, str]
) -> None:
    run = await started(client, "build/default")

    async def alive() -> list[Container]:
        return [one for one in containers(engine, run) if one.status == "running"]

    (one,) = await until(alive, bool)
    one.kill()
    began = time.monotonic()
    over = await ended(client, run)
    assert over.state is not None and over.state.type == StateType.CRASHED, over.state
    assert time.monotonic() - began < 90
    await clear(team[1], grace=0)
    assert not containers(engine, run)
