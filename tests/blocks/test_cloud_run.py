"""The Cloud Run platform keeps the contract, against our stand-in for the API, with real containers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest
from prefect.blocks.core import Block

from blocks.platforms.cloud_run import CloudRunPlatform
from domain.errors import Rejected
from domain.place import Job
from tests.blocks.block_suite import BlockSuite
from tests.blocks.cloud_run_subject import CloudRunSubject
from tests.blocks.image_contract import ImageContract
from tests.blocks.images import ROOT, can_make_images
from tests.blocks.local_subject import Connection
from tests.blocks.platform_contract import TARGET

if TYPE_CHECKING:
    from tests.blocks.cloud_run_server import StandIn

pytestmark = [
    pytest.mark.requires("docker", "google-cloud-run"),
    pytest.mark.skipif(not can_make_images(), reason="making images needs root and debootstrap"),
    pytest.mark.timeout(180),
]
suite = ImageContract()


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    from tests.blocks.cloud_run_server import StandIn

    server = StandIn()
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def subject(server: StandIn) -> AsyncIterator[CloudRunSubject]:
    yield CloudRunSubject(server)
    server.empty()


class TestContract(ImageContract):
    pass


class TestBlock(BlockSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return CloudRunPlatform


async def test_a_release_without_traffic_answers_at_its_own_address(subject: CloudRunSubject) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    await suite.provisioned(subject, lease, subject.release("v2", replicas=2))
    state = (await subject.platform.inspect(TARGET)).of("v2")
    assert state is not None and len(state.copies) == 2
    async with Connection(state.copies[0].address) as connection:
        assert await connection.get("/") == (200, "v2")


async def test_a_request_in_flight_ends_where_it_began_within_the_time_that_a_release_has(
    subject: CloudRunSubject,
) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    await suite.provisioned(subject, lease, subject.release("v2", drain=5.0))
    await subject.platform.shift(lease, "v2", 100)
    async with Connection((await subject.platform.inspect(TARGET)).address) as connection:
        slow = asyncio.create_task(connection.get("/slow/3"))
        await asyncio.sleep(0.3)
        abort = asyncio.create_task(subject.platform.abort(lease, "v1"))
        await asyncio.sleep(1.5)
        assert await subject.send(5) == {"v1": 5}, "new ones go elsewhere at once"
        assert await slow == (200, "v2")
        await abort
    service = next(iter(subject.server.world.services.values()))
    assert sorted(name.rpartition("-")[2][:1] for name in service.revisions) == ["h", "r", "r"], "home, rest and v1"


async def test_charter_and_traffic_change_in_one_request(subject: CloudRunSubject) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    await suite.provisioned(subject, lease, subject.release("v2"))
    subject.server.bodies.clear()
    await subject.platform.shift(lease, "v2", 25)
    changes = [body for line, body in subject.server.bodies if line.startswith("PATCH")]
    assert len(changes) == 1 and changes[0].keys() == {"name", "etag", "annotations", "traffic"}
    assert sorted(one["percent"] for one in changes[0]["traffic"]) == [25, 75]


async def test_a_release_that_is_gone_leaves_no_revision_and_no_secret(
    subject: CloudRunSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE", "postgres://very-secret")
    lease = await suite.lease(subject)
    await suite.stable(subject, lease, secrets={"DATABASE_URL": "env:DATABASE"})
    async with Connection((await subject.platform.inspect(TARGET)).address) as connection:
        assert await connection.get("/env/DATABASE_URL") == (200, "postgres://very-secret")
    sent = [json.dumps(body) for line, body in subject.server.bodies if "/services" in line]
    assert sent and not any("very-secret" in body for body in sent)
    assert len(subject.server.world.secrets) == 1
    await subject.platform.abort(lease, None)
    service = next(iter(subject.server.world.services.values()))
    assert [name.rpartition("-")[2][:4] for name in sorted(service.revisions)] == ["home", "rest"]
    assert subject.server.world.secrets == {}
    assert await subject.platform.recall(TARGET, "none") is None, "the notebook is still there"


async def test_an_image_that_cannot_be_had_is_told_with_what_to_do(subject: CloudRunSubject) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    gone = subject.release("v2")
    artifact = gone.artifact.model_copy(update={"location": "nobody/nothing:1"})
    await subject.platform.provision(lease, gone.model_copy(update={"artifact": artifact}))
    ready, why = await subject.platform.wait_ready(TARGET, "v2", 20.0)
    assert not ready and "Image 'nobody/nothing:1' not found" in why and "push the image" in why, why
    assert await subject.send(5) == {"v1": 5}
    await subject.platform.abort(lease, "v1")
    assert await subject.send(5) == {"v1": 5}


async def test_a_crash_loop_is_told_with_its_exit_code_and_last_words(subject: CloudRunSubject) -> None:
    lease = await suite.lease(subject)
    crashing = subject.release("v1", command=("python", "-c", "raise SystemExit('no database')"))
    await subject.platform.provision(lease, crashing)
    ready, why = await subject.platform.wait_ready(TARGET, "v1", 20.0)
    assert not ready and "exit(1)" in why and "no database" in why, why


async def test_a_failed_release_does_not_keep_others_from_the_traffic(subject: CloudRunSubject) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    await suite.provisioned(subject, lease, subject.release("v2"))
    crashing = subject.release("v3", command=("python", "-c", "raise SystemExit(1)"))
    await subject.platform.provision(lease, crashing)
    assert not (await subject.platform.wait_ready(TARGET, "v3", 20.0))[0]
    await subject.platform.shift(lease, "v2", 50)
    assert await subject.send(20) == {"v1": 10, "v2": 10}


async def test_a_failed_release_that_is_said_again_is_tried_again(subject: CloudRunSubject) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    gone = subject.release("v2")
    gone = gone.model_copy(update={"artifact": gone.artifact.model_copy(update={"location": "tes-pushed-late:1"})})
    await subject.platform.provision(lease, gone)
    assert not (await subject.platform.wait_ready(TARGET, "v2", 20.0))[0]
    images = subject.server.world.containers.client.images
    images.get("tes-test-service:v2").tag("tes-pushed-late", "1")
    try:
        await suite.provisioned(subject, lease, gone)
        await subject.platform.promote(lease, "v2")
        assert await subject.send(5) == {"v2": 5}
    finally:
        images.remove("tes-pushed-late:1")


PROMOTE = """
import asyncio, sys
from blocks.platforms.cloud_run import CloudRunPlatform
from domain.place import Lease
urls = dict.fromkeys(("endpoint", "secrets_endpoint", "logging_endpoint"), sys.argv[1])
platform = CloudRunPlatform(project="shop-1", region="europe-west1", anonymous=True, **urls)
print("ready", flush=True)
asyncio.run(platform.promote(Lease.model_validate_json(sys.argv[2]), "v2"))
"""


@pytest.mark.parametrize("after", [0.0, 0.03, 0.08, 0.2])
async def test_a_client_that_is_killed_leaves_the_old_or_the_new_and_the_next_one_finishes(
    subject: CloudRunSubject, after: float
) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    await suite.provisioned(subject, lease, subject.release("v2"))
    argv = [sys.executable, "-c", PROMOTE, subject.server.url, lease.model_dump_json()]
    killed = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE)
    assert killed.stdout is not None
    await asyncio.to_thread(killed.stdout.readline)
    await asyncio.sleep(after)
    killed.kill()
    killed.communicate()
    weights = await suite.versions(subject)
    assert weights in ({"v1": 100, "v2": 0}, {"v1": 0, "v2": 100})
    await subject.platform.promote(lease, "v2")
    assert (await subject.send(20)) == {"v2": 20}


async def test_a_client_that_is_killed_between_decision_and_revision_is_finished_by_the_next_one(
    subject: CloudRunSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    place = type(subject.platform.place(TARGET))

    async def killed(*_: object) -> None:
        raise KeyError("killed here")

    monkeypatch.setattr(place, "start", killed)
    with pytest.raises(KeyError):
        await subject.platform.provision(lease, subject.release("v2"))
    monkeypatch.undo()
    state = (await subject.platform.inspect(TARGET)).of("v2")
    assert state is not None and not state.ready and "0 of 1 copies" in state.reason
    await suite.provisioned(subject, lease, subject.release("v2"))


async def test_a_revision_that_a_killed_client_left_is_garbage_and_is_collected(
    subject: CloudRunSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    await suite.provisioned(subject, lease, subject.release("v2"))
    await subject.platform.shift(lease, "v2", 50)
    place = type(subject.platform.place(TARGET))

    async def killed(*_: object) -> None:
        raise KeyError("killed here")

    monkeypatch.setattr(place, "tidy", killed)
    with pytest.raises(KeyError):
        await subject.platform.abort(lease, "v1")
    monkeypatch.undo()
    assert len(await subject.platform.garbage()) == 1
    assert await subject.send(10) == {"v1": 10}, "it was decided, and so it is"
    await subject.platform.collect()
    assert await subject.platform.garbage() == [] and await subject.send(10) == {"v1": 10}


async def test_what_a_killed_client_left_is_garbage_and_is_collected(subject: CloudRunSubject) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    assert await subject.platform.garbage() == []
    world, jobs = subject.server.world, subject.server.jobs
    labels = subject.platform.place(TARGET).names.labels("job")
    parent = "projects/shop-1/locations/europe-west1"
    jobs.create(parent, "left", {"labels": labels, "template": {"template": {"timeout": "10s"}}})
    jobs.create(parent, "theirs", {"template": {"template": {"timeout": "10s"}}})
    assert await subject.platform.garbage() == [], "somebody may be waiting for it"
    for job in jobs.jobs.values():
        job["createTime"] = "2020-01-01T00:00:00Z"
    secret = {"labels": {**labels, "tes-role": "secret", "tes-owner": "job-left"}}
    world.secrets["kept"] = {**secret, "name": "projects/shop-1/secrets/kept", "createTime": "2020-01-01T00:00:00Z"}
    world.values["kept"] = []
    assert sorted(await subject.platform.garbage()) == [f"{parent}/jobs/left", "projects/shop-1/secrets/kept"]
    await subject.platform.collect()
    assert (list(jobs.jobs), world.secrets) == ([f"{parent}/jobs/theirs"], {})
    assert await subject.send(5) == {"v1": 5}


async def test_a_service_that_is_somebody_elses_is_not_touched(subject: CloudRunSubject) -> None:
    await suite.lease(subject)
    service = next(iter(subject.server.world.services.values()))
    service.spec["annotations"] = {"theirs": "1"}
    with pytest.raises(Rejected, match="has no charter of shop in staging"):
        await subject.platform.acquire(TARGET, "b", 60.0)


async def test_annotations_of_others_stay(subject: CloudRunSubject) -> None:
    lease = await suite.lease(subject)
    service = next(iter(subject.server.world.services.values()))
    service.spec["annotations"]["cost-centre"] = "7"
    await subject.platform.remember(lease, "page", "text")
    assert service.spec["annotations"]["cost-centre"] == "7"


async def test_a_change_of_who_may_reach_it_comes_with_the_next_release(subject: CloudRunSubject) -> None:
    lease = await suite.lease(subject)
    opened = CloudRunSubject(subject.server, public=True)
    await suite.stable(opened, lease)
    assert next(iter(subject.server.world.services.values())).spec["invokerIamDisabled"] is True


async def test_a_long_notebook_is_kept_in_pieces(subject: CloudRunSubject) -> None:
    lease = await suite.lease(subject)
    await subject.platform.remember(lease, "page", "x" * 120_000)
    assert await subject.platform.recall(TARGET, "page") == "x" * 120_000
    with pytest.raises(Rejected, match="fit into a service's notes"):
        await subject.platform.remember(lease, "more", "x" * 200_000)


async def test_a_port_is_refused_with_what_to_change(subject: CloudRunSubject) -> None:
    with pytest.raises(Rejected, match="443"):
        await subject.platform.provision(await suite.lease(subject), subject.release("v1", public_port=8080))


async def test_a_job_is_ended_by_our_own_clock_where_cloud_runs_is_late(subject: CloudRunSubject) -> None:
    hasty = subject.twin(start_slack=0.0)
    slow = Job(name="migrate", command=("sleep", "60"), timeout=1.0)
    assert (await hasty.platform.run(await suite.lease(subject), subject.release("v1"), slow)).exit_code == 124
    assert any(line.endswith(":cancel") for line in subject.server.asked)
    assert await subject.jobs_left() == []
