"""Whatever AWS answers or does not answer: each ends in the error that says what to do, none as success."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from pydantic import SecretStr

from blocks.platforms.ecs import EcsPlatform
from blocks.platforms.ecs_parts import services, task_definition
from domain.errors import CapabilityError, PlatformError, Rejected, SpecError, Unavailable
from domain.place import Lease
from tests.blocks.platform_contract import TARGET
from tests.blocks.stand_in_server import StandInServer

pytestmark = pytest.mark.requires("boto3")
SECRET = "not-to-be-seen"


class Faulty(StandInServer):
    """Answers everything with the same bytes; with none it hangs."""

    answer = b""
    asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0]))
        self.asked += 1
        if not self.answer:
            await asyncio.sleep(1.0)
        writer.write(self.answer)
        return False


@pytest.fixture
async def faulty() -> AsyncIterator[Faulty]:
    server = Faulty()
    await server.opened()
    yield server
    await server.closed()


def platform(server: Faulty, **options: Any) -> EcsPlatform:
    return EcsPlatform(
        **{
            "region": "us-east-1",
            "cluster": "main",
            "listener_arn": "arn:aws:elasticloadbalancing:us-east-1:0:listener/app/front/1/2",
            "subnets": ("subnet-1",),
            "endpoint_url": server.address,
            "access_key_id": "key",
            "secret_access_key": SecretStr(SECRET),
            "read_timeout": 0.3,
            "attempts": 1,
            **options,
        }
    )


def answered(status: int, body: str, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status} Said\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n{body}".encode()


def json_error(code: str, message: str = "", status: int = 400) -> bytes:
    return answered(status, f'{{"__type": "com.amazonaws#{code}", "message": "{message}"}}')


def xml_error(code: str, message: str = "", status: int = 400) -> bytes:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    return answered(status, f"<ErrorResponse>{error}</ErrorResponse>")


DENIED = "User: arn:aws:iam::1:user/x is not authorized to perform: ecs:TagResource on resource: y"
FAULTS: dict[str, tuple[Callable[[Any], bytes], type[PlatformError], str]] = {
    "throttled": (lambda error: error("ThrottlingException", "Rate exceeded"), Unavailable, "ThrottlingException"),
    "429": (lambda error: error("TooMany", "", 429), Unavailable, "429"),
    "500": (lambda error: error("InternalFailure", "", 500), Unavailable, "500"),
    "503": (lambda error: answered(503, "<html>busy</html>"), Unavailable, "503"),
    "hangs": (lambda error: b"", Unavailable, "no whole answer"),
    "closed": (lambda error: b"HTTP/1.1 200 OK\r\n", Unavailable, "no whole answer"),
    "cut off": (lambda error: answered(200, '{"services": [', 400), Unavailable, "no whole answer"),
    "empty": (lambda error: answered(200, ""), Unavailable, "no whole answer"),
    "another document": (lambda error: answered(200, "<html></html>"), Unavailable, "no whole answer"),
    "an empty document": (
        lambda error: answered(200, "{}" if error is json_error else "<DescribeListenersResponse/>"),
        Unavailable,
        "no whole answer",
    ),
    "a page of somebody else": (lambda error: answered(200, "<p>log in</p"), Unavailable, "no whole answer"),
    "denied": (lambda error: error("AccessDeniedException", DENIED), Rejected, "ecs:TagResource is missing"),
    "403": (lambda error: error("Whatever", "no", 403), Rejected, "is missing"),
    "expired": (
        lambda error: error("ExpiredTokenException", "The token is expired"),
        Rejected,
        "renew the credentials",
    ),
    "wrong key": (lambda error: error("UnrecognizedClientException", "bad"), Rejected, "renew the credentials"),
    "no cluster": (lambda error: error("ClusterNotFoundException", "none"), Rejected, "create the cluster"),
}


async def _balancer(one: EcsPlatform) -> object:
    return await one.place(TARGET).balancer()


CALLS: dict[str, tuple[Callable[[EcsPlatform], Awaitable[object]], Any]] = {
    "acquire": (lambda one: one.acquire(TARGET, "a", 60.0), json_error),
    "inspect": (lambda one: one.inspect(TARGET), json_error),
    "targets": (lambda one: one.targets(), json_error),
    "services": (lambda one: services.described(one.place(TARGET).aws, "main", ["x"]), json_error),
    "families": (lambda one: task_definition.families(one.place(TARGET).aws, "x"), json_error),
    "balancer": (_balancer, xml_error),
}


# An empty document is DynamoDB's way of saying that there is no such item.
NO_FAULT = {("acquire", "an empty document"), ("inspect", "an empty document")}


@pytest.mark.parametrize(("call", "fault"), sorted({(call, fault) for call in CALLS for fault in FAULTS} - NO_FAULT))
async def test_a_fault_ends_in_the_error_that_says_what_to_do(faulty: Faulty, call: str, fault: str) -> None:
    ask, error = CALLS[call]
    answer, kind, words = FAULTS[fault]
    faulty.answer = answer(error)
    with pytest.raises(kind) as raised:
        await ask(platform(faulty))
    assert words in str(raised.value) and SECRET not in str(raised.value)
    assert faulty.asked == 1


async def test_what_is_throttled_is_asked_again_as_often_as_the_block_says(faulty: Faulty) -> None:
    faulty.answer = json_error("ThrottlingException")
    with pytest.raises(Unavailable):
        await platform(faulty, attempts=3).targets()
    assert faulty.asked == 3


async def test_nobody_there_is_unavailable_and_names_the_call() -> None:
    nobody = Faulty()
    await nobody.opened()
    await nobody.closed()
    with pytest.raises(Unavailable, match="dynamodb:GetItem"):
        await platform(nobody).inspect(TARGET)


async def test_an_unknown_profile_is_rejected_with_the_fix(faulty: Faulty) -> None:
    with pytest.raises(Rejected, match="correct the block's `profile`"):
        await platform(faulty, profile="nobody", access_key_id=None, secret_access_key=None).inspect(TARGET)


async def test_a_block_without_its_place_names_what_is_missing() -> None:
    with pytest.raises(SpecError, match="region, cluster, listener_arn, subnets not set"):
        await EcsPlatform().inspect(TARGET)


async def test_without_the_extra_it_is_one_line_with_the_fix(faulty: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)
    with pytest.raises(CapabilityError, match="needs the extra `aws`"):
        await platform(faulty).inspect(TARGET)


async def test_a_charter_that_cannot_be_read_is_not_taken_for_none(faulty: Faulty) -> None:
    faulty.answer = answered(200, '{"Item": {"serial": {"N": "3"}, "charter": {"S": "{"}}}')
    with pytest.raises(Rejected, match="is no charter"):
        await platform(faulty).inspect(TARGET)


async def test_a_write_that_came_too_late_is_decided_anew_and_not_called_done(faulty: Faulty) -> None:
    faulty.answer = json_error("ConditionalCheckFailedException")
    one = platform(faulty)
    with pytest.raises(Rejected):  # the read itself: there is no such answer to a GetItem
        await one.remember(Lease(target=TARGET, holder="a", token=1, expires=0.0), "key", "text")


async def test_keys_are_in_no_repr(faulty: Faulty) -> None:
    one = platform(faulty)
    assert SECRET not in f"{one!r} {one} {one.place(TARGET).aws.connection!r}"
