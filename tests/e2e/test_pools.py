"""Flows and shards where a team's work pool says: in containers of the project's own image."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import docker
import pytest
from docker import DockerClient
from docker.models.containers import Container
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.objects import StateType

from blocks.platforms.kubernetes_parts.api import Api
from deployments.leftovers import LABEL, clear
from tests.blocks import kubernetes_cluster
from tests.e2e.driver import Tes
from tests.e2e.team import answering, ended, free_port, prefect_server, started, until, worker
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
    """The command, and the API of a Prefect server that a team has already."""
    home = tmp_path_factory.mktemp("team")
    with prefect_server(home / "server") as api_url:
        yield Tes(home / "tes"), api_url


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


# Its tasks have to reach a Prefect server that only this machine can: the network of the host, which Fargate has not.
_CLUSTER = "shop"


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An ECS that runs its tasks on this machine's engine, as a worker's environment."""
    port, home = free_port(), tmp_path_factory.mktemp("ministack")
    argv = [str(Path(sys.executable).with_name("ministack"))]
    url = f"http://127.0.0.1:{port}"
    named = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "HOME": str(home)}
    with answering(argv, f"{url}/_ministack/health", home / "ministack.log", **named):
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }


@pytest.mark.requires("ecs-worker", "ministack")
async def test_a_build_runs_as_a_task_of_ecs(
    ministack: dict[str, str],
    client: PrefectClient,
    engine: DockerClient,
    team: tuple[Tes, str],
    image: str,
    folders: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import boto3

    tes, api_url = team
    for name, value in ministack.items():
        monkeypatch.setenv(name, value)
    ecs = boto3.client("ecs")
    ecs.create_cluster(clusterName=_CLUSTER)
    words = ["--image", image, "--project", "/srv/spread", "--set", f"cluster={_CLUSTER}", "--set", "launch_type=EC2"]
    made = tes.run("setup", "--api", api_url, "--pool", "ecs", *words, "--json")
    assert made.code == 0, made.err
    pool = await client.read_work_pool("tes-ecs")
    task = pool.base_job_template["job_configuration"]["task_definition"]
    task["networkMode"] = "host"
    task["volumes"] = [{"name": "spread", "host": {"sourcePath": str(folders[0])}}]
    mount = {"sourceVolume": "spread", "containerPath": "/srv/spread", "readOnly": True}
    task["containerDefinitions"][0]["mountPoints"] = [mount]
    await client.update_work_pool("tes-ecs", WorkPoolUpdate(base_job_template=pool.base_job_template))
    with worker(api_url, "tes-ecs", tmp_path, **ministack):
        run = await started(client, "build/default")
        over = await ended(client, run)
        assert over.state is not None and over.state.type == StateType.COMPLETED, over.state
    assert over.infrastructure_pid and "arn:aws:ecs:eu-west-1:" in over.infrastructure_pid
    (definition,) = ecs.list_task_definitions()["taskDefinitionArns"]
    known = ecs.describe_task_definition(taskDefinition=definition, include=["TAGS"])["taskDefinition"]
    assert [one["image"] for one in known["containerDefinitions"]] == [image]


@pytest.fixture
async def node(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Api, str]]:
    """The API, and the address of a cluster's only node, which is this machine: its engine's images are the node's,
    and so are its folders."""
    api = Api()
    nodes = (await api.get("/api/v1/nodes"))["items"]
    address = next(one["address"] for one in nodes[0]["status"]["addresses"] if one["type"] == "InternalIP")
    try:
        free_port(address)
    except OSError:
        pytest.skip("needs a cluster whose node is this machine (scripts/start-kubernetes.sh)")
    yield api, address


@pytest.fixture
async def namespace(node: tuple[Api, str]) -> AsyncIterator[str]:
    name = f"tes-pool-{uuid4().hex[:8]}"
    await kubernetes_cluster.create(node[0], name)
    yield name
    await kubernetes_cluster.end(node[0], name)


@pytest.mark.requires("kubernetes", "kubernetes-worker")
async def test_an_execution_and_its_shards_run_as_jobs_of_kubernetes(
    node: tuple[Api, str], namespace: str, image: str, folders: tuple[Path, Path], wheels: Path, tmp_path: Path
) -> None:
    """Pods reach the Prefect server at the node's address."""
    project, shared = folders
    before = set(shared.rglob("commit.json"))
    environment = json.dumps({"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/srv/wheels"})
    chosen = {"namespace": namespace, "image_pull_policy": "Never", "env": environment}
    chosen |= {"cpu_request": "50m", "memory_request": "64Mi"}
    words = [word for name, value in chosen.items() for word in ("--set", f"{name}={value}")]
    with prefect_server(tmp_path / "server", node[1]) as api_url:
        pool = ["--pool", "kubernetes", "--image", image, "--project", "/srv/spread", "--limit", "3"]
        made = Tes(tmp_path / "tes").run("setup", "--api", api_url, *pool, *words, "--json")
        assert made.code == 0, made.err
        async with PrefectClient(api_url) as client:
            await _mounted(client, {"/srv/spread": project, "/srv/shared": shared, "/srv/wheels": wheels})
            with worker(api_url, "tes-kubernetes", tmp_path, KUBECONFIG=os.environ["KUBECONFIG"]):
                run = await started(client, "execution/default")
                over = await ended(client, run)
                assert over.state is not None and over.state.type == StateType.COMPLETED, over.state
                jobs = (await node[0].get(f"/apis/batch/v1/namespaces/{namespace}/jobs"))["items"]
                runs = {one["metadata"]["labels"]["prefect.io/flow-run-id"] for one in jobs}
                shards = [one for one in await client.read_flow_runs() if one.name.startswith("unit shard")]
                assert runs == {str(run), *(str(one.id) for one in shards)} and len(shards) == 2
                committed = sorted(path.relative_to(shared).parts[1:4] for path in set(shared.rglob("*.json")) - before)
                assert {part for part in committed} >= {("unit", "1", "1"), ("unit", "2", "1")}, committed


async def _mounted(client: PrefectClient, folders: dict[str, Path]) -> None:
    """The node's folders in every pod of the pool."""
    pool = await client.read_work_pool("tes-kubernetes")
    pod = pool.base_job_template["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    named = {path: path.rpartition("/")[2] for path in folders}
    pod["volumes"] = [{"name": named[path], "hostPath": {"path": str(here)}} for path, here in folders.items()]
    pod["containers"][0]["volumeMounts"] = [{"name": name, "mountPath": path} for path, name in named.items()]
    await client.update_work_pool("tes-kubernetes", WorkPoolUpdate(base_job_template=pool.base_job_template))
