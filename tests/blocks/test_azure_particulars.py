"""What is particular about services on Azure Container Instances: draining by DNS, jobs, secrets, what is left over."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest

from domain.errors import Rejected
from domain.place import Job, Target
from tests.blocks.aci_subject import AzureSubject, GatewaySubject
from tests.blocks.azure_fixtures import azure_fixture, azure_images_fixture  # noqa: F401 - fixtures
from tests.blocks.azure_server import Server
from tests.blocks.images import can_make_images
from tests.blocks.local_subject import client
from tests.blocks.platform_contract import TARGET, PlatformContract
from tests.blocks.test_azure_faults import two

pytestmark = [
    pytest.mark.requires("docker", "azure-mgmt"),
    pytest.mark.skipif(not can_make_images(), reason="making images needs root and debootstrap"),
    pytest.mark.timeout(180),
]
suite = PlatformContract()


@pytest.fixture
async def subject(azure: Server) -> AsyncIterator[AzureSubject]:
    yield AzureSubject(azure)


async def test_a_copy_is_kept_for_the_time_to_live_and_its_drain(subject: AzureSubject) -> None:
    lease = await two(subject, drain=0.5)
    subject.platform.ttl = 1
    await subject.platform.shift(lease, "v2", 50)
    name = f"{subject.platform.installation}-staging-shop-1"
    began = time.monotonic()
    aborting = asyncio.create_task(subject.platform.abort(lease, "v1"))
    await asyncio.sleep(1.2)
    assert name in subject.server.groups, "names lead there for another moment"
    await aborting
    assert name not in subject.server.groups and time.monotonic() - began >= 1.5


async def test_a_release_that_never_had_a_request_is_not_waited_for(subject: AzureSubject) -> None:
    lease = await two(subject, drain=30.0)
    began = time.monotonic()
    await subject.platform.abort(lease, "v1")
    assert time.monotonic() - began < 10.0


async def test_a_copy_without_traffic_answers_at_its_own_address(subject: AzureSubject) -> None:
    await two(subject)
    state = (await subject.platform.inspect(TARGET)).of("v2")
    assert state is not None
    async with client("http://nowhere") as asked:
        assert (await asked.get(state.copies[0].address + "/")).text == "v2"


async def test_a_front_that_somebody_removed_is_put_back_by_the_next_look(subject: AzureSubject) -> None:
    lease = await two(subject)
    await subject.platform.shift(lease, "v2", 25)
    subject.server.profiles.clear()
    await subject.platform.inspect(TARGET)
    assert abs((await subject.send(100))["v2"] - 25) <= 1


async def test_secrets_are_sent_as_such_and_lie_in_no_charter(
    subject: AzureSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE", "postgres://hidden")
    lease = await suite.lease(subject)
    await suite.stable(subject, lease, secrets={"URL": "env:DATABASE"})
    body = next(one for one in subject.server.bodies if "containers" in one["properties"])
    variables = body["properties"]["containers"][0]["properties"].pop("environmentVariables")
    assert {"name": "URL", "secureValue": "postgres://hidden"} in variables
    assert "hidden" not in json.dumps(body) + str(subject.server.blobs.containers)


async def test_what_is_left_over_is_named_and_collected_and_nothing_else(subject: AzureSubject) -> None:
    lease = await two(subject)
    groups = subject.server.groups
    body = groups["tes-staging-shop-0"].body
    for name, tags in {
        "tes-staging-gone-0": {**body["tags"], "tes-service": "gone"},
        "tes-staging-shop-9": {**body["tags"], "tes-seat": "9"},
        "tes-staging-shop-job-1": {**body["tags"], "tes-role": "job", "tes-until": "1000000000"},
        "tes-staging-shop-job-2": {**body["tags"], "tes-role": "job", "tes-until": "9000000000"},
        "of-somebody-else": {},
        "of-another-installation": {**body["tags"], "tes-installation": "other", "tes-seat": "9"},
    }.items():
        groups[name] = type(groups["tes-staging-shop-0"])(
            groups["tes-staging-shop-0"].client, "x", name, {**body, "tags": tags}
        )
    left = ["tes-staging-gone-0", "tes-staging-shop-9", "tes-staging-shop-job-1"]
    assert await subject.platform.garbage() == left
    assert await subject.platform.collect() == left
    assert await subject.platform.garbage() == []
    assert {"tes-staging-shop-job-2", "of-somebody-else", "of-another-installation"} <= set(groups)
    assert await suite.versions(subject) == {"v1": 100, "v2": 0}
    await subject.platform.give_back(lease)


async def test_every_target_is_listed_whatever_its_name(subject: AzureSubject) -> None:
    targets = [Target(service=name, environment="pr/7 ä") for name in ("a%2Fb", "c.json", "x/y", "z")]
    for target in targets:
        await subject.platform.acquire(target, "a", 60.0)
    assert list(await subject.platform.targets()) == sorted(targets, key=str)


async def test_copies_that_only_the_network_reaches_are_judged_by_azures_probes(azure: Server) -> None:
    subject = AzureSubject(azure, health_by="probes")
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    await subject.platform.provision(lease, subject.release("v2", healthy=False, health=subject.health))
    ready, why = await subject.platform.wait_ready(TARGET, "v2", 6.0)
    assert not ready and "Readiness probe failed: HTTP probe failed with statuscode: 500" in why


async def test_a_port_that_the_public_does_not_ask_is_rejected_before_anything_moves(subject: AzureSubject) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    for release in (subject.release("v2", port=9000), subject.release("v2", public_port=80)):
        with pytest.raises(Rejected, match="listens on"):
            await subject.platform.provision(lease, release)
    assert await suite.versions(subject) == {"v1": 100}


async def test_a_gateway_that_asks_another_port_or_has_no_rule_is_named(azure: Server) -> None:
    subject = GatewaySubject(azure)
    lease = await suite.lease(subject)
    with pytest.raises(Rejected, match="asks its pool on port 8000, and v1 listens on 9000"):
        await subject.platform.provision(lease, subject.release("v1", port=9000))
    subject.platform.rule = "nothing"
    with pytest.raises(Rejected, match="no routing rule nothing"):
        await subject.platform.provision(lease, subject.release("v1"))
    assert azure.groups == {}


async def test_a_job_that_is_over_its_time_says_what_it_said_until_then(subject: AzureSubject) -> None:
    slow = Job(name="migrate", command=("python", "-uc", "import time; print('began'); time.sleep(60)"), timeout=3.0)
    result = await subject.platform.run(await suite.lease(subject), subject.release("v1"), slow)
    assert (result.exit_code, result.output.strip()) == (124, "began")


async def test_what_is_disposed_of_leaves_nothing_in_azure(subject: AzureSubject) -> None:
    await subject.platform.dispose(await two(subject))
    server = subject.server
    assert (server.groups, server.profiles, server.blobs.containers) == ({}, {}, {"tes": {}})
