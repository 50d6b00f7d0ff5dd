"""The platform on Azure Container Instances when Azure is slow, refuses, breaks off, or says what was; and when others
come between."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from domain.errors import Rejected, Unavailable
from domain.place import Lease
from tests.blocks.aci_subject import AzureSubject, GatewaySubject, given
from tests.blocks.azure_fixtures import azure_fixture, azure_images_fixture  # noqa: F401 - fixtures
from tests.blocks.azure_server import Fault, Server
from tests.blocks.images import ROOT, can_make_images
from tests.blocks.platform_contract import TARGET, PlatformContract

pytestmark = [
    pytest.mark.requires("docker", "azure-mgmt"),
    pytest.mark.skipif(not can_make_images(), reason="making images needs root and debootstrap"),
    pytest.mark.timeout(180),
]
suite = PlatformContract()


@pytest.fixture
async def subject(azure: Server) -> AsyncIterator[AzureSubject]:
    yield AzureSubject(azure)


async def two(subject: AzureSubject, **changes: Any) -> Lease:
    """v1 has the traffic, v2 is ready."""
    lease = await suite.lease(subject)
    await suite.stable(subject, lease, **changes)
    await suite.provisioned(subject, lease, subject.release("v2", **changes))
    return lease


def faults(subject: AzureSubject, *given: Fault) -> None:
    subject.server.faults.extend(given)


# No answer, or "later".


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_is_refused_for_now_is_said_again_until_it_is_done(subject: AzureSubject, status: int) -> None:
    lease = await two(subject)
    faults(subject, Fault("PUT .*trafficManagerProfiles", times=2, status=status), Fault("GET /blobs", status=status))
    await subject.platform.promote(lease, "v2")
    assert [one.times for one in subject.server.faults] == [0, 0]
    assert await subject.send(10) == {"v2": 10}


async def test_the_pause_that_azure_asks_for_is_kept(subject: AzureSubject) -> None:
    lease = await suite.lease(subject)
    faults(subject, Fault("PUT /blobs", status=429, headers={"Retry-After": "2"}))
    began = time.monotonic()
    await subject.platform.remember(lease, "page", "text")
    assert 2.0 <= time.monotonic() - began < 5.0


async def test_patience_ends_and_says_what_azure_said(subject: AzureSubject) -> None:
    lease = await suite.lease(subject)
    subject.hurry(1.0, 3.0)
    faults(subject, Fault("PUT /blobs", times=99, status=503, code="ServerBusy", message="come back"))
    began = time.monotonic()
    with pytest.raises(Unavailable, match="503 ServerBusy to PUT staging/shop.json: come back"):
        await subject.platform.remember(lease, "page", "text")
    assert time.monotonic() - began < 6.0


async def test_a_hung_answer_is_given_up_and_asked_for_again(subject: AzureSubject) -> None:
    lease = await two(subject)
    subject.hurry(0.7, 20.0)
    faults(subject, Fault("PUT .*trafficManagerProfiles", hang=5.0))
    await subject.platform.promote(lease, "v2")
    assert await subject.send(5) == {"v2": 5}


async def test_an_azure_that_hangs_for_good_is_unavailable_in_bounded_time(subject: AzureSubject) -> None:
    subject.hurry(0.5, 2.0)
    faults(subject, Fault("GET /blobs", times=99, hang=3.0))
    began = time.monotonic()
    with pytest.raises(Unavailable, match="its time was over"):
        await subject.platform.inspect(TARGET)
    assert time.monotonic() - began < 5.0


async def test_an_answer_that_breaks_off_is_no_answer(subject: AzureSubject) -> None:
    lease = await two(subject)
    faults(subject, *(Fault(match, half=True) for match in ("GET /blobs", "GET .*containerGroups", "PUT .*Profiles")))
    await subject.platform.promote(lease, "v2")
    assert await subject.send(5) == {"v2": 5}


async def test_a_change_whose_answer_was_lost_is_known_again_as_ones_own(subject: AzureSubject) -> None:
    lease = await suite.lease(subject)
    faults(subject, Fault("PUT /blobs", after=True, half=True))
    await subject.platform.remember(lease, "page", "text")
    assert await subject.platform.recall(TARGET, "page") == "text"
    assert subject.server.faults[0].times == 0


async def test_what_was_read_late_is_not_what_is_changed(subject: AzureSubject) -> None:
    lease = await suite.lease(subject)
    await subject.platform.remember(lease, "a", "1")
    await subject.platform.remember(lease, "b", "2")
    faults(subject, Fault("GET /blobs", times=2, stale=True))
    await subject.platform.remember(lease, "c", "3")
    assert [await subject.platform.recall(TARGET, key) for key in "abc"] == ["1", "2", "3"]


async def test_a_group_in_transition_is_waited_for(subject: AzureSubject) -> None:
    lease = await suite.lease(subject)
    faults(subject, Fault("PUT .*containerGroups", times=2, status=409, code="ContainerGroupTransitioning"))
    await suite.stable(subject, lease)
    assert await subject.send(3) == {"v1": 3}


# A definite no.


async def test_a_right_that_lacks_is_named(subject: AzureSubject) -> None:
    lease = await suite.lease(subject)
    message = (
        "The client 'x' with object id 'y' does not have authorization to perform action "
        "'Microsoft.ContainerInstance/containerGroups/write' over scope '/subscriptions/sub-1' or the scope is invalid."
    )
    faults(subject, Fault("PUT .*containerGroups", status=403, code="AuthorizationFailed", message=message))
    with pytest.raises(Rejected, match="403 AuthorizationFailed") as error:
        await subject.platform.provision(lease, subject.release("v1"))
    assert "the action Microsoft.ContainerInstance/containerGroups/write over /subscriptions/sub-1" in error.value.fix


async def test_a_token_that_was_taken_back_is_renewed_once(subject: AzureSubject) -> None:
    lease = await suite.lease(subject)
    subject.server.tokens.clear()
    await subject.platform.remember(lease, "page", "text")
    assert await subject.platform.recall(TARGET, "page") == "text"


async def test_a_credential_that_is_over_says_so(subject: AzureSubject) -> None:
    faults(subject, Fault("GET /blobs", times=99, status=401, code="ExpiredAuthenticationToken", message="is over"))
    with pytest.raises(Rejected, match="401 ExpiredAuthenticationToken") as error:
        await subject.platform.inspect(TARGET)
    assert "renew the block's client secret" in error.value.fix and subject.server.asked.total() <= 5


async def test_an_image_that_azure_cannot_have_is_rejected(subject: AzureSubject) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    gone = subject.release("v2")
    gone = gone.model_copy(update={"artifact": gone.artifact.model_copy(update={"location": "nobody/nothing:1"})})
    with pytest.raises(Rejected, match="'nobody/nothing:1' in container group .* is not accessible"):
        await subject.platform.provision(lease, gone)
    await subject.platform.abort(lease, "v1")
    assert await suite.versions(subject) == {"v1": 100} and await subject.send(3) == {"v1": 3}


async def test_an_image_that_cannot_be_pulled_later_fails_the_release_at_once(subject: AzureSubject) -> None:
    lease = await suite.lease(subject)
    late = subject.release("v1")
    late = late.model_copy(update={"artifact": late.artifact.model_copy(update={"location": "late/nothing:1"})})
    await subject.platform.provision(lease, late)
    ready, why = await subject.platform.wait_ready(TARGET, "v1", 10.0)
    assert not ready and 'cannot be pulled: Failed to pull image "late/nothing:1"' in why, why


async def test_a_crash_loop_is_told_with_its_exit_code_and_last_words(subject: AzureSubject) -> None:
    lease = await suite.lease(subject)
    crashing = subject.release("v1", command=("python", "-c", "raise SystemExit('no database')"))
    await subject.platform.provision(lease, crashing)
    ready, why = await subject.platform.wait_ready(TARGET, "v1", 20.0)
    assert not ready and "exit code 1" in why and "no database" in why, why


# Others.


async def test_of_two_clients_that_change_it_at_once_none_undoes_the_others(subject: AzureSubject) -> None:
    lease = await suite.lease(subject)
    other = AzureSubject(subject.server)
    await asyncio.gather(
        *(
            one.platform.remember(lease, f"{name}-{n}", str(n))
            for n in range(4)
            for name, one in (("a", subject), ("b", other))
        )
    )
    pages = [await subject.platform.recall(TARGET, f"{name}-{n}") for n in range(4) for name in "ab"]
    assert pages == [str(n) for n in range(4) for _ in "ab"]


async def test_whoever_tells_the_front_late_tells_what_is_newest(subject: AzureSubject) -> None:
    """A slow promotion is overtaken by an abort; the front ends where the newest charter is."""
    lease = await two(subject)
    other = AzureSubject(subject.server)
    faults(subject, Fault("PUT .*trafficManagerProfiles", hang=1.5, status=500))
    slow = asyncio.create_task(subject.platform.promote(lease, "v2"))
    while subject.server.faults[0].times:
        await asyncio.sleep(0.01)
    await other.platform.abort(lease, "v1")
    await slow
    state = await subject.platform.inspect(TARGET)
    assert state.stable == "v1" and await subject.send(10) == {"v1": 10}


@pytest.mark.parametrize("moment", ["PUT /blobs", "PUT .*trafficManagerProfiles"])
async def test_a_client_that_is_killed_leaves_the_old_or_the_new_and_the_next_look_finishes(
    subject: AzureSubject, moment: str
) -> None:
    """Before its decision lies in the store, and between that and the front."""
    lease = await two(subject)
    faults(subject, Fault(moment, times=1, hang=60.0, status=500))
    argv = [sys.executable, "-c", PROMOTE, json.dumps(given(subject.server)), lease.model_dump_json()]
    killed = subprocess.Popen(argv, cwd=ROOT)
    while subject.server.faults[0].times:
        await asyncio.sleep(0.05)
        assert killed.poll() is None
    killed.kill()
    killed.wait()
    decided = "v1" if "blobs" in moment else "v2"
    assert await subject.send(10) == {decided: 10}, "sending begins with a look"
    state = await subject.platform.inspect(TARGET)
    assert state.stable == decided and {one.release.version for one in state.releases} == {"v1", "v2"}
    await subject.platform.promote(lease, "v2")
    assert await subject.send(10) == {"v2": 10}


PROMOTE = """
import asyncio, json, sys
from blocks.platforms.azure_container_instances import AzureContainerInstancesPlatform
from domain.place import Lease
platform = AzureContainerInstancesPlatform(ttl=0, **json.loads(sys.argv[1]))
asyncio.run(platform.promote(Lease.model_validate_json(sys.argv[2]), "v2"))
"""


async def test_another_change_of_the_gateway_is_kept(azure: Server) -> None:
    subject = GatewaySubject(azure)
    lease = await two(subject)
    edge = azure.gateways["edge"]
    changed = {**edge, "tags": {"owner": "network"}, "etag": 'W/"of somebody else"'}
    faults(subject, Fault("PUT .*applicationGateways", status=412, code="PreconditionFailed"))
    azure.gateways["edge"] = changed
    await subject.platform.promote(lease, "v2")
    after = azure.gateways["edge"]
    assert after["tags"] == {"owner": "network"} and after["properties"]["backendAddressPools"][1] == (
        edge["properties"]["backendAddressPools"][1]
    )
    assert await subject.send(5) == {"v2": 5}
