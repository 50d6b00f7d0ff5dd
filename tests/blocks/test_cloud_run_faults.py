"""Cloud Run's bad days: what each failure of the API becomes, and that the environment is where it was."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest

from domain.errors import Rejected, Unavailable
from tests.blocks.cloud_run_fault import Fault
from tests.blocks.cloud_run_subject import CloudRunSubject
from tests.blocks.images import can_make_images
from tests.blocks.platform_contract import TARGET, PlatformContract

if TYPE_CHECKING:
    from tests.blocks.cloud_run_server import StandIn

pytestmark = [
    pytest.mark.requires("docker", "google-cloud-run"),
    pytest.mark.skipif(not can_make_images(), reason="making images needs root and debootstrap"),
    pytest.mark.timeout(180),
]
suite = PlatformContract()


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


async def test_what_is_throttled_is_sent_again_and_not_before_it_may_be(subject: CloudRunSubject) -> None:
    lease = await suite.lease(subject)
    subject.server.faults = [Fault("PATCH", 429, headers={"Retry-After": "1"}), Fault("PATCH", 429, times=2)]
    began = time.monotonic()
    await subject.platform.remember(lease, "page", "text")
    assert time.monotonic() - began >= 1.0
    assert await subject.platform.recall(TARGET, "page") == "text"


async def test_throttling_without_end_is_unavailable_within_bounds(subject: CloudRunSubject) -> None:
    lease = await suite.lease(subject)
    for headers in ({}, {"Retry-After": "3600"}):
        subject.server.asked.clear()
        subject.server.faults = [Fault("PATCH", 429, times=100, headers=headers, message="Quota exceeded")]
        with pytest.raises(Unavailable, match="Quota exceeded"):
            await subject.platform.remember(lease, "page", "text")
        assert sum(line.startswith("PATCH") for line in subject.server.asked) <= 5


@pytest.mark.parametrize("fault", [Fault("", 500), Fault("", 503), Fault("", how="close")], ids=["500", "503", "close"])
async def test_a_change_without_a_good_answer_is_unavailable_and_said_once(
    subject: CloudRunSubject, fault: Fault
) -> None:
    lease = await suite.lease(subject)
    subject.server.faults = [Fault("PATCH", fault.status, fault.how)]
    subject.server.asked.clear()
    with pytest.raises(Unavailable):
        await subject.platform.remember(lease, "page", "text")
    assert sum(line.startswith("PATCH") for line in subject.server.asked) == 1
    await subject.platform.remember(lease, "page", "text")
    assert await subject.platform.recall(TARGET, "page") == "text"


@pytest.mark.parametrize("how", ["500", "503", "close"])
async def test_a_read_that_fails_once_or_twice_is_not_noticed(subject: CloudRunSubject, how: str) -> None:
    await suite.stable(subject, await suite.lease(subject))
    fault = Fault("GET", times=2, how="close") if how == "close" else Fault("GET", int(how), times=2)
    subject.server.faults = [fault]
    assert await suite.versions(subject) == {"v1": 100}


async def test_no_answer_is_unavailable_after_its_time(subject: CloudRunSubject) -> None:
    lease = await suite.lease(subject)
    subject.server.faults = [Fault("PATCH", how="hang")]
    began = time.monotonic()
    with pytest.raises(Unavailable, match="does not answer"):
        await subject.platform.remember(lease, "page", "text")
    assert time.monotonic() - began < 5


async def test_nobody_listening_is_unavailable_with_the_address(server: StandIn) -> None:
    nobody = CloudRunSubject(server, endpoint="http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="http://127.0.0.1:9 does not answer"):
        await nobody.platform.inspect(TARGET)


async def test_a_stale_read_decides_nothing(subject: CloudRunSubject) -> None:
    lease = await suite.lease(subject)
    await subject.platform.remember(lease, "a", "1")
    subject.server.faults = [Fault("GET", how="stale")]
    subject.server.asked.clear()
    await subject.platform.remember(lease, "b", "2")
    assert sum(line.startswith("PATCH") for line in subject.server.asked) == 2, "refused once, by its etag"
    assert [await subject.platform.recall(TARGET, key) for key in "ab"] == ["1", "2"]


async def test_a_stale_read_while_traffic_moves_is_not_taken_for_obedience(subject: CloudRunSubject) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    await suite.provisioned(subject, lease, subject.release("v2"))
    subject.server.faults = [Fault("GET", how="stale after change", times=3)]
    await subject.platform.promote(lease, "v2")
    assert subject.server.faults[0].times == 0, "it was read so"
    assert await subject.send(10) == {"v2": 10}


async def test_a_permission_that_lacks_is_named_with_the_role_that_has_it(subject: CloudRunSubject) -> None:
    lease = await suite.lease(subject)
    message = "Permission 'run.services.update' denied on resource 'shop' (or resource may not exist)."
    subject.server.faults = [Fault("PATCH", 403, message=message)]
    with pytest.raises(Rejected, match=r"the permission run\.services\.update is missing") as error:
        await subject.platform.remember(lease, "page", "text")
    assert "roles/run.developer" in error.value.fix


async def test_credentials_that_are_over_are_rejected_with_the_fix(subject: CloudRunSubject) -> None:
    await suite.lease(subject)
    subject.server.faults = [Fault("GET", 401, message="Request had invalid authentication credentials.")]
    with pytest.raises(Rejected, match="does not take these credentials") as error:
        await subject.platform.inspect(TARGET)
    assert "gcloud auth application-default login" in error.value.fix


async def test_a_field_that_cloud_run_does_not_know_is_rejected_by_the_stand_in(subject: CloudRunSubject) -> None:
    lease = await suite.lease(subject)
    api = subject.platform._api(subject.platform.endpoint)
    name = subject.platform.place(TARGET).name
    with pytest.raises(Rejected, match="trafic"):
        await api.call("PATCH", f"v2/{name}", "x", body={"trafic": []}, query={"updateMask": "traffic"})
    await subject.platform.remember(lease, "page", "text")


async def test_a_log_that_cannot_be_read_does_not_hide_the_failure(subject: CloudRunSubject) -> None:
    lease = await suite.lease(subject)
    await subject.platform.provision(lease, subject.release("v1", command=("python", "-c", "raise SystemExit(1)")))
    subject.server.faults = [
        Fault("entries:list", 403, times=100, message="Permission 'logging.logEntries.list' denied")
    ]
    ready, why = await subject.platform.wait_ready(TARGET, "v1", 20.0)
    assert not ready and "failed to start" in why and "logging.logEntries.list" in why, why


async def test_an_abort_goes_through_while_the_candidate_is_still_starting(subject: CloudRunSubject) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    await subject.platform.provision(lease, subject.release("v2", environment={"START_DELAY": "4"}))
    began = time.monotonic()
    await subject.platform.abort(lease, "v1")
    assert time.monotonic() - began < 4 and await subject.send(10) == {"v1": 10}
