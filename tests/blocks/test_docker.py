"""The docker platform keeps the contract, on a real engine, and what is particular about it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from itertools import count

import docker
import pytest
from prefect.blocks.core import Block

from blocks.platforms.docker import DockerPlatform
from blocks.platforms.docker_parts import proxy
from domain.errors import Rejected, Unavailable
from domain.spec import Health, Resources
from tests.blocks.block_suite import BlockSuite
from tests.blocks.docker_subject import INSTALLATION, DockerSubject, containers
from tests.blocks.image_contract import ImageContract
from tests.blocks.images import ROOT, can_make_images, make_images
from tests.blocks.local_subject import Connection, Load
from tests.blocks.platform_contract import TARGET

pytestmark = [
    pytest.mark.requires("docker"),
    pytest.mark.skipif(not can_make_images(), reason="making images needs root and debootstrap"),
    pytest.mark.timeout(180),
]


@pytest.fixture(scope="session")
def images() -> None:
    make_images()


@pytest.fixture
async def subject(images: None) -> AsyncIterator[DockerSubject]:
    subject = DockerSubject()
    await subject.clean()
    yield subject
    await subject.clean()


class TestContract(ImageContract):
    pass


class TestBlock(BlockSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return DockerPlatform


suite = ImageContract()


async def test_a_copy_without_traffic_answers_at_its_own_address(subject: DockerSubject) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    await suite.provisioned(subject, lease, subject.release("v2"))
    state = (await subject.platform.inspect(TARGET)).of("v2")
    assert state is not None
    async with Connection(state.copies[0].address) as connection:
        assert await connection.get("/") == (200, "v2")


async def test_a_service_that_listens_on_loopback_only_is_told_so(subject: DockerSubject) -> None:
    lease = await suite.lease(subject)
    release = subject.release("v1", environment={"HOST": "127.0.0.1"}, health=Health(grace=1.0, interval=0.1))
    await subject.platform.provision(lease, release)
    ready, why = await subject.platform.wait_ready(TARGET, "v1", 20.0)
    assert not ready and "does it listen on 0.0.0.0:8000?" in why, why


async def test_a_proxy_that_is_started_again_serves_what_was_decided(subject: DockerSubject) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    await suite.provisioned(subject, lease, subject.release("v2"))
    await subject.platform.shift(lease, "v2", 25)
    containers("front")[0].restart(timeout=1)
    assert abs((await subject.send(200))["v2"] - 50) <= 4
    containers("front")[0].remove(force=True)
    assert await subject.platform.recall(TARGET, "none") is None
    assert abs((await subject.send(200))["v2"] - 50) <= 4, "it is put back, from the notebook"


async def test_a_copy_that_is_killed_comes_back_where_it_was(subject: DockerSubject) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease, replicas=2)
    async with Load(await subject.address()) as load:
        containers()[0].kill()
        await subject.wait(1.0)
    assert len(load.failed) <= 4, "only what was in flight"
    await suite.provisioned(subject, lease, subject.release("v1", replicas=2))
    state = await subject.platform.inspect(TARGET)
    assert len(state.releases[0].copies) == 2 and state.releases[0].ready


async def test_a_dead_stable_release_does_not_take_the_traffic_from_a_living_one(subject: DockerSubject) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    await suite.provisioned(subject, lease, subject.release("v2"))
    await subject.platform.promote(lease, "v2")
    client = docker.from_env()
    client.containers.get(f"{INSTALLATION}-staging-shop-0").pause()
    await subject.wait(3.0)  # its checks run into their time-outs
    with pytest.raises(Rejected, match="v1 of shop in staging has no healthy copy, and v2 has"):
        await subject.platform.abort(lease, "v1")
    assert (await subject.send(10)) == {"v2": 10}
    client.containers.get(f"{INSTALLATION}-staging-shop-0").unpause()
    await subject.wait(1.0)
    await subject.platform.abort(lease, "v1")
    assert (await subject.send(10)) == {"v1": 10}
    client.close()


async def test_a_proxy_that_did_not_obey_is_not_said_to_have_obeyed(
    subject: DockerSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    await suite.provisioned(subject, lease, subject.release("v2"))
    said, asked = proxy.commands, count()
    # First it is asked whether the proxy agrees; the words that come next do not arrive.
    monkeypatch.setattr(proxy, "commands", lambda *words: [] if next(asked) == 1 else said(*words))
    with pytest.raises(Unavailable, match="was not heard to obey 'set server app/s1 weight 256'"):
        await subject.platform.promote(lease, "v2")
    await subject.platform.promote(lease, "v2")
    assert (await subject.send(10)) == {"v2": 10}


@pytest.mark.parametrize("after", [0.02, 0.1, 0.2, 0.4, 0.8])
async def test_a_client_that_is_killed_leaves_the_old_or_the_new_and_the_next_one_finishes(
    subject: DockerSubject, after: float
) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    await suite.provisioned(subject, lease, subject.release("v2"))
    killed = subprocess.Popen([sys.executable, "-c", PROMOTE, INSTALLATION, lease.model_dump_json()], cwd=ROOT)
    await asyncio.sleep(2.0 + after)  # it has imported what it needs by then, or has not: both are to be right
    killed.kill()
    killed.wait()
    weights = await suite.versions(subject)
    assert weights in ({"v1": 100, "v2": 0}, {"v1": 0, "v2": 100})
    version = next(one for one, weight in weights.items() if weight)
    assert (await subject.send(20)) == {version: 20}
    await subject.platform.promote(lease, "v2")
    assert (await subject.send(20)) == {"v2": 20}


PROMOTE = """
import asyncio, sys
from blocks.platforms.docker import DockerPlatform
from domain.place import Lease
platform = DockerPlatform(installation=sys.argv[1])
asyncio.run(platform.promote(Lease.model_validate_json(sys.argv[2]), "v2"))
"""


async def test_a_crash_loop_is_told_with_its_exit_code_and_last_words(subject: DockerSubject) -> None:
    lease = await suite.lease(subject)
    crashing = subject.release("v1", command=("python", "-c", "raise SystemExit('no database')"))
    await subject.platform.provision(lease, crashing)
    ready, why = await subject.platform.wait_ready(TARGET, "v1", 20.0)
    assert not ready and "exit code 1" in why and "no database" in why


async def test_a_copy_that_wants_too_much_memory_is_told_so(subject: DockerSubject) -> None:
    lease = await suite.lease(subject)
    hungry = subject.release(
        "v1", command=("python", "-c", "x = bytearray(1 << 30)"), resources=Resources(memory_mb=32)
    )
    await subject.platform.provision(lease, hungry)
    ready, why = await subject.platform.wait_ready(TARGET, "v1", 20.0)
    assert not ready and ("memory" in why or "137" in why), why


async def test_an_image_that_is_not_there_is_rejected_before_anything_moves(subject: DockerSubject) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    gone = subject.release("v2")
    nothing = {"location": "nobody/nothing:1", "digest": "sha256:" + "0" * 64}
    gone = gone.model_copy(update={"artifact": gone.artifact.model_copy(update=nothing)})
    with pytest.raises(Rejected, match="nobody/nothing:1 is not on the engine"):
        await subject.platform.provision(lease, gone)
    assert await suite.versions(subject) == {"v1": 100}


async def test_what_runs_is_what_was_judged_wherever_its_tag_has_moved(subject: DockerSubject) -> None:
    lease = await suite.lease(subject)
    release = subject.release("v1")
    client = docker.from_env()
    other = client.images.get(subject.release("v2").artifact.digest)
    other.tag("tes-test-service", "v1")  # somebody pushes over it
    client.close()
    try:
        await suite.provisioned(subject, lease, release)
        await subject.platform.promote(lease, "v1")
        assert (await subject.send(5)) == {"v1": 5}
    finally:
        del subject._images["v1"]  # made anew, and tagged so


async def test_no_engine_is_one_line_with_the_fix() -> None:
    platform = DockerPlatform(engine="unix:///nowhere/docker.sock")
    with pytest.raises(Unavailable, match="engine at unix:///nowhere/docker.sock does not answer") as error:
        await platform.inspect(TARGET)
    assert "start it" in error.value.fix
