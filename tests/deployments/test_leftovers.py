"""The containers of runs that are over are removed, and no other: seen on a real engine and a real server."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import docker
import pytest
from docker import DockerClient
from docker.errors import NotFound
from docker.models.containers import Container
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Crashed, Pending, Running, Scheduled

from cli.main import main
from cli.runtime import Runtime
from deployments.leftovers import LABEL, clear
from domain.errors import Unavailable
from tests.blocks.images import BASE, can_make_images, make_images

pytestmark = [
    pytest.mark.requires("docker"),
    pytest.mark.skipif(not can_make_images(), reason="making images needs root and debootstrap"),
]


@pytest.fixture
async def client(server: Runtime) -> AsyncIterator[PrefectClient]:
    async with PrefectClient(server.prefect_api_url) as connected:
        yield connected


@pytest.fixture
def engine() -> Iterator[DockerClient]:
    """This machine's; what a test left on it is removed."""
    make_images()
    with_label = {"label": f"tes-test={os.getpid()}"}
    connected = docker.from_env()
    yield connected
    for container in connected.containers.list(all=True, filters=with_label):
        container.remove(force=True, v=True)
    connected.close()


def container(engine: DockerClient, run: object, *, ended: bool = False) -> Container:
    """One that says it is that run's, as Prefect's worker labels it."""
    labels = {"tes-test": str(os.getpid()), **({LABEL: str(run)} if run else {})}
    command = ["true"] if ended else ["sleep", "600"]
    made = engine.containers.run(BASE, command, detach=True, labels=labels, network_mode="none")
    if ended:
        made.wait()
    return made


def there(engine: DockerClient, one: Container) -> bool:
    try:
        engine.containers.get(one.id or "")
    except NotFound:
        return False
    return True


async def run_in(client: PrefectClient, state: State[None]) -> uuid.UUID:
    flow = await client.create_flow_from_name("left")
    deployment = await client.create_deployment(flow, "left", entrypoint="left.left")
    run = await client.create_flow_run_from_deployment(deployment, state=Scheduled())
    await client.set_flow_run_state(run.id, state, force=True)
    return run.id


async def test_what_is_over_goes_and_what_goes_on_or_is_nobodys_stays(
    server: Runtime, client: PrefectClient, engine: DockerClient
) -> None:
    gone = [container(engine, await run_in(client, state())) for state in (Crashed, Cancelled)]
    gone.append(container(engine, await run_in(client, Completed()), ended=True))
    stays = [container(engine, await run_in(client, state())) for state in (Running, Pending)]
    stays.append(container(engine, await run_in(client, Running()), ended=True))
    stays += [container(engine, run) for run in (uuid.uuid4(), "not-an-id", None)]
    looked = await clear(server.prefect_api_url, grace=0, look=True, engine=engine)
    assert {one.container for one in looked} == {one.short_id for one in gone}
    assert not any(one.removed for one in looked) and all(there(engine, one) for one in gone)
    removed = await clear(server.prefect_api_url, grace=0, engine=engine)
    assert {(one.container, one.removed) for one in removed} == {(one.short_id, True) for one in gone}
    assert {one.state for one in removed} == {"Crashed", "Cancelled", "Completed"}
    assert not any(there(engine, one) for one in gone)
    assert all(there(engine, one) for one in stays)
    assert await clear(server.prefect_api_url, grace=0, engine=engine) == ()


async def test_a_run_that_is_only_just_over_keeps_its_container_for_its_last_words(
    server: Runtime, client: PrefectClient, engine: DockerClient
) -> None:
    just = container(engine, await run_in(client, Completed()))
    assert await clear(server.prefect_api_url, grace=60, engine=engine) == ()
    assert there(engine, just)


async def test_nothing_is_removed_when_the_server_does_not_answer(client: PrefectClient, engine: DockerClient) -> None:
    lost = container(engine, await run_in(client, Crashed()))
    with pytest.raises(Unavailable, match="no Prefect server answers"):
        await clear("http://127.0.0.1:9/api", grace=0, engine=engine)
    assert there(engine, lost)


async def test_an_engine_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    with pytest.raises(Unavailable, match="the Docker engine does not answer"):
        await clear("http://127.0.0.1:9/api")


async def test_gc_takes_them_where_it_is_told_to(
    server: Runtime,
    client: PrefectClient,
    engine: DockerClient,
    tmp_path: Path,
    tes_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without `--runs` it looks at no container of a run."""
    monkeypatch.setattr(clear, "__kwdefaults__", {**(clear.__kwdefaults__ or {}), "grace": 0.0})
    (tmp_path / "tes.yaml").write_text("name: shop\nenvironments: {staging: {platform: memory}}\n")
    left = container(engine, await run_in(client, Crashed()))
    asked = ["--runs", "--api", server.prefect_api_url]
    for words, done in (([], None), ([*asked, "--plan"], False), (asked, True)):
        assert await asyncio.to_thread(main, ["gc", str(tmp_path), "--json", *words]) == 0
        pieces = json.loads(capsys.readouterr().out)["pieces"]
        assert [one["done"] for one in pieces if one["where"] == left.name] == ([] if done is None else [done])
        assert there(engine, left) == (done is not True)
