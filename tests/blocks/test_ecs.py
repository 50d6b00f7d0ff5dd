"""The ECS platform keeps the contract, on real containers, and what is particular about it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from prefect.blocks.core import Block

from blocks.platforms.ecs import EcsPlatform
from blocks.platforms.ecs_parts import rule, services
from domain.errors import Rejected, Unavailable
from domain.spec import Health
from tests.blocks.aws_emulators import Emulators, running
from tests.blocks.block_suite import BlockSuite
from tests.blocks.image_contract import ImageContract
from tests.blocks.images import ROOT, can_make_images, make_images
from tests.blocks.ecs_subject import CLUSTER, EcsSubject, listener, subject_at
from tests.blocks.local_subject import Connection
from tests.blocks.platform_contract import TARGET

pytestmark = [
    pytest.mark.requires("docker", "ministack", "moto"),
    pytest.mark.skipif(not can_make_images(), reason="making images needs root and debootstrap"),
    pytest.mark.timeout(180),
]


@pytest.fixture(scope="module")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulators]:
    make_images()
    with running(tmp_path_factory.mktemp("aws")) as both:
        yield both


@pytest.fixture(scope="module")
def arn(emulators: Emulators) -> str:
    return listener(emulators)


@pytest.fixture
async def subject(emulators: Emulators, arn: str) -> AsyncIterator[EcsSubject]:
    async with subject_at(emulators, arn) as subject:
        yield subject


class TestContract(ImageContract):
    pass


class TestBlock(BlockSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return EcsPlatform


suite = ImageContract()


async def test_a_secret_is_in_the_container_and_in_no_request_but_that_to_the_secrets_manager(
    subject: EcsSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE", "postgres://hidden")
    lease = await suite.lease(subject)
    await suite.stable(subject, lease, secrets={"URL": "env:DATABASE"})
    async with Connection(subject.balancer.address) as connection:
        assert await connection.get("/env/URL") == (200, "postgres://hidden")
    told = {name for name, body in subject.aws.bodies if b"postgres://hidden" in body}
    assert told == {"CreateSecret"}
    monkeypatch.setenv("DATABASE", "postgres://rotated")
    await subject.platform.provision(lease, subject.release("v1", secrets={"URL": "env:DATABASE"}))
    told = {name for name, body in subject.aws.bodies if b"postgres://rotated" in body}
    assert told == {"CreateSecret", "PutSecretValue"}


async def test_a_definition_is_registered_once_and_a_number_of_copies_set_by_others_is_kept(
    subject: EcsSubject,
) -> None:
    lease = await suite.lease(subject)
    release = await suite.stable(subject, lease)
    place = subject.platform.place(TARGET)
    name = place.names.of(release)
    await place.aws.call("ecs", "UpdateService", cluster=CLUSTER, service=name, desiredCount=2)
    for _ in range(2):
        await suite.provisioned(subject, lease, release)
    assert subject.aws.seen.count("RegisterTaskDefinition") == subject.aws.seen.count("CreateService") == 1
    assert (await services.described(place.aws, CLUSTER, [name]))[name]["desiredCount"] == 2
    assert len((await subject.platform.inspect(TARGET)).releases[0].copies) == 2


async def test_words_that_arrive_late_at_the_rule_are_followed_by_the_newest(
    subject: EcsSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    await suite.provisioned(subject, lease, subject.release("v2"))
    said = rule.tell
    late: list[tuple[Any, ...]] = []

    async def tell(*words: Any) -> Any:
        if not late:
            late.append(words)
            await EcsSubject(subject.aws, subject.balancer).platform.promote(lease, "v2")
        return await said(*words)

    monkeypatch.setattr(rule, "tell", tell)
    await subject.platform.shift(lease, "v2", 10)
    assert await suite.versions(subject) == {"v1": 0, "v2": 100}
    assert (await subject.send(10)) == {"v2": 10}


async def test_what_was_decided_and_not_told_is_told_by_whoever_says_it_again(
    subject: EcsSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    await suite.provisioned(subject, lease, subject.release("v2"))
    subject.aws.fault = lambda operation: b"" if operation == "ModifyRule" else None
    with pytest.raises(Unavailable, match="ModifyRule"):
        await subject.platform.promote(lease, "v2")
    subject.aws.fault = lambda operation: None
    assert (await subject.send(10)) == {"v1": 10}
    await subject.platform.promote(lease, "v2")
    assert (await subject.send(10)) == {"v2": 10}


async def test_a_crash_loop_is_told_with_its_exit_code_before_grace_is_over(subject: EcsSubject) -> None:
    lease = await suite.lease(subject)
    crashing = subject.release("v1", command=("python", "-c", "raise SystemExit('no database')"), health=PATIENT)
    await subject.platform.provision(lease, crashing)
    ready, why = await subject.platform.wait_ready(TARGET, "v1", 60.0)
    assert not ready and "3 tasks ended: it ended with exit code 1" in why, why


async def test_an_image_that_cannot_be_pulled_is_told_before_grace_is_over(subject: EcsSubject) -> None:
    lease = await suite.lease(subject)
    nothing = {"location": "nobody/nothing:1", "digest": "sha256:" + "0" * 64}
    release = subject.release("v2", health=PATIENT)
    gone = release.model_copy(update={"artifact": release.artifact.model_copy(update=nothing)})
    await subject.platform.provision(lease, gone)
    ready, why = await subject.platform.wait_ready(TARGET, "v2", 60.0)
    # Which of the two is seen first is a matter of time: the tasks that ended, or that ECS had enough of them.
    assert not ready and ("CannotPullContainerError" in why or "image digest resolution" in why), why


PATIENT = Health(grace=600.0, interval=0.1, timeout=2.0, successes=2, failures=2)


async def test_what_no_charter_names_is_garbage_and_collected(subject: EcsSubject) -> None:
    lease = await suite.lease(subject)
    release = await suite.stable(subject, lease)
    place = subject.platform.place(TARGET)
    name = place.names.of(release)
    assert await subject.platform.garbage() == []
    arn = subject.platform._known.rules[TARGET]
    await place.notebook.end()  # somebody removes the item by hand
    assert await subject.platform.garbage() == [
        f"rule {arn}",
        f"service {name}",
        f"target group {name}",
        f"task definition {name}",
    ]
    await subject.platform.collect()
    assert await subject.platform.garbage() == []


async def test_a_rule_and_a_group_that_somebody_took_away_are_put_back(subject: EcsSubject) -> None:
    lease = await suite.lease(subject)
    release = await suite.stable(subject, lease)
    place, known = subject.platform.place(TARGET), subject.platform._known
    await place.aws.call("elbv2", "DeleteRule", RuleArn=known.rules[TARGET])
    await subject.platform.promote(lease, "v1")
    assert (await subject.send(5)) == {"v1": 5}
    await place.aws.call("elbv2", "DeleteRule", RuleArn=known.rules[TARGET])
    await place.aws.call("elbv2", "DeleteTargetGroup", TargetGroupArn=known.groups[place.names.of(release)])
    other = EcsSubject(subject.aws, subject.balancer)  # which has not known them
    await suite.provisioned(other, lease, release)
    assert await suite.versions(other) == {"v1": 100} and (await subject.send(5)) == {"v1": 5}


async def test_of_six_releases_five_are_looked_after_and_the_sixth_when_it_is_asked_for_again(
    subject: EcsSubject,
) -> None:
    lease = await suite.lease(subject)
    first = await suite.stable(subject, lease)
    for number in range(2, 7):
        await suite.stable(subject, lease, f"v{number}")
    state = (await subject.platform.inspect(TARGET)).of("v1")
    assert state is not None and not state.ready and len(subject.balancer.weights) == 5
    await suite.provisioned(subject, lease, first)
    await subject.platform.promote(lease, "v1")
    assert (await subject.send(5)) == {"v1": 5} and len(subject.balancer.weights) == 5


async def test_a_cluster_that_is_not_there_is_rejected_before_anything_moves(subject: EcsSubject) -> None:
    lease = await suite.lease(subject)
    other = EcsSubject(subject.aws, subject.balancer, cluster="nobodys").platform
    with pytest.raises(Rejected, match="there is no cluster nobodys"):
        await other.provision(lease, subject.release("v1"))
    assert await suite.versions(subject) == {}


@pytest.mark.parametrize("heard", [False, True])
@pytest.mark.parametrize("at", ["PutItem", "ModifyRule"])
async def test_a_client_that_is_killed_leaves_the_old_or_the_new_and_the_next_one_finishes(
    subject: EcsSubject, at: str, heard: bool
) -> None:
    lease = await suite.lease(subject)
    await suite.stable(subject, lease)
    await suite.provisioned(subject, lease, subject.release("v2"))
    told = {**subject.platform.model_dump(mode="json"), "secret_access_key": "testing"}
    command = [sys.executable, "-c", PROMOTE, json.dumps(told), lease.model_dump_json()]
    killed = await asyncio.create_subprocess_exec(*command, cwd=ROOT)

    def kill(operation: str) -> bytes | None:
        if operation != at or killed.returncode is not None:
            return None
        killed.kill()
        return None if heard else b""

    subject.aws.fault = kill
    assert await killed.wait() == -signal.SIGKILL
    subject.aws.fault = lambda operation: None
    decided = (at, heard) != ("PutItem", False)
    await subject.wait(0.5)  # what was heard is done
    assert (await subject.send(20)).keys() == ({"v2"} if (at, heard) == ("ModifyRule", True) else {"v1"})
    assert await suite.versions(subject) == ({"v1": 0, "v2": 100} if decided else {"v1": 100, "v2": 0})
    assert (await subject.send(20)).keys() == ({"v2"} if decided else {"v1"}), "whoever looks says it again"
    await subject.platform.promote(lease, "v2")
    assert (await subject.send(20)) == {"v2": 20}


PROMOTE = """
import asyncio, json, sys
from blocks.platforms.ecs import EcsPlatform
from domain.place import Lease
told = {key: value for key, value in json.loads(sys.argv[1]).items() if key in EcsPlatform.model_fields}
asyncio.run(EcsPlatform(**told).promote(Lease.model_validate_json(sys.argv[2]), "v2"))
"""
