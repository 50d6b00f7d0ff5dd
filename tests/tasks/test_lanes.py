"""Verification reaches a release straight, or through its platform; never neither, and it says which way failed."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from domain.errors import Rejected
from domain.place import CopyState, ReleaseState, ServiceState, Target, Traffic
from domain.spec import Request, Verify
from domain.verdict import Outcome
from tasks.lanes import lanes
from tasks.verify import verify
from tests.tasks.test_verify import RELEASE, TARGET

NOWHERE = "http://127.0.0.1:1"


class Inside:
    """A platform whose copies only it reaches."""

    def __init__(self, address: str, answer: tuple[int, str] = (200, "v1")) -> None:
        self.address, self.answer, self.carried = address, answer, list[str]()

    async def inspect(self, target: Target) -> ServiceState:
        copy = CopyState(name="v1-1", address=self.address, healthy=True)
        state = ReleaseState(release=RELEASE, weight=100, copies=(copy,))
        return ServiceState(target=target, stable="v1", releases=(state,), address=NOWHERE)

    async def carry(self, target: Target, copy: CopyState | None, request: Request) -> tuple[int, str]:
        self.carried.append(f"{copy.name if copy else target.service}{request.path}")
        if self.answer[0] == 0:
            raise Rejected("the cluster denies GET pods/proxy", fix="give the account that verb")
        return self.answer


@pytest.fixture
def heard() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


async def test_what_is_reached_is_asked_straight_and_the_rest_is_carried(heard: str) -> None:
    platform = Inside(heard)
    public, direct = await lanes(platform, await platform.inspect(TARGET), "v1", True)  # type: ignore[arg-type]
    assert direct == heard and not isinstance(public, str)
    assert await public(Request(path="/a")) == (200, "v1") and platform.carried == ["shop/a"]


async def test_without_traffic_the_public_address_is_not_asked() -> None:
    platform = Inside(NOWHERE)
    (way,) = await lanes(platform, await platform.inspect(TARGET), "v1", False)  # type: ignore[arg-type]
    assert not isinstance(way, str)
    await way(Request())
    assert platform.carried == ["v1-1/"]


@pytest.mark.parametrize(
    "answer, outcome, why",
    [
        ((200, "v1"), Outcome.PASS, "error rate 0.00%"),
        ((500, "oh"), Outcome.FAIL, "GET /healthz: 500"),
        ((0, ""), Outcome.FAIL, "denies GET pods/proxy"),
    ],
)
async def test_a_carried_answer_counts_as_any_other(answer: tuple[int, str], outcome: Outcome, why: str) -> None:
    platform = Inside(NOWHERE, answer)
    how = Verify(rate=20)
    found = await verify(platform, TARGET, "v1", how, 0.3, "/healthz", public=True)  # type: ignore[arg-type]
    assert (found.outcome, why in "; ".join(found.reasons)) == (outcome, True), found.reasons
    assert set(platform.carried) == {"shop/healthz", "v1-1/healthz"}


class Elsewhere:
    """A platform whose copies nobody reaches from here."""

    def __init__(self, copy: str, public: str) -> None:
        self.copy, self.public = CopyState(name="v1-1", address=copy, healthy=True), public

    async def inspect(self, target: Target) -> ServiceState:
        state = ReleaseState(release=RELEASE, weight=100, copies=(self.copy,))
        return ServiceState(target=target, stable="v1", releases=(state,), address=self.public)


@pytest.mark.parametrize(
    "copy, public, asked",
    [
        ("http://copy.invalid:80", True, ["the public address"]),
        ("http://copy.invalid:80", False, []),
        (NOWHERE, True, ["the public address", NOWHERE]),
    ],
)
async def test_a_copy_without_a_way_to_it_is_left_to_its_health_and_one_that_refuses_is_asked(
    heard: str, copy: str, public: bool, asked: list[str]
) -> None:
    state = await Elsewhere(copy, heard).inspect(TARGET)
    ways = await lanes(Elsewhere(copy, heard), state, "v1", public)  # type: ignore[arg-type]
    assert ways == [heard if way == "the public address" else way for way in asked]


async def test_a_public_address_that_nobody_reaches_fails() -> None:
    place, how = Elsewhere("http://copy.invalid:80", "http://public.invalid:80"), Verify(rate=20)
    found = await verify(place, TARGET, "v1", how, 0.3, "/", public=True)  # type: ignore[arg-type]
    assert found.outcome is Outcome.FAIL, found.reasons


async def test_a_canary_that_cannot_be_asked_is_inconclusive(heard: str) -> None:
    place, how = Elsewhere("http://copy.invalid:80", heard), Verify(rate=20)
    found = await verify(place, TARGET, "v1", how, 0.3, "/", public=False)  # type: ignore[arg-type]
    assert found.outcome is Outcome.INCONCLUSIVE and "no address that is reached from here" in found.reasons[0]


class Counted(Elsewhere):
    """Its front counts what clients asked."""

    def __init__(self, requests: int, errors: int) -> None:
        super().__init__("http://copy.invalid:80", NOWHERE)
        self.requests, self.errors = requests, errors

    async def traffic(self, target: Target, version: str, since: float) -> Traffic:
        return Traffic(version=version, requests=self.requests, errors=self.errors, seconds=0.3)


@pytest.mark.parametrize(
    "requests, errors, outcome", [(40, 0, Outcome.PASS), (40, 3, Outcome.FAIL), (0, 0, Outcome.INCONCLUSIVE)]
)
async def test_a_canary_that_cannot_be_asked_is_judged_by_what_its_front_counts(
    requests: int, errors: int, outcome: Outcome
) -> None:
    how = Verify(rate=20)
    found = await verify(Counted(requests, errors), TARGET, "v1", how, 0.3, "/", public=False)  # type: ignore[arg-type]
    assert found.outcome is outcome, found.reasons


async def test_a_script_without_an_address_is_inconclusive() -> None:
    how = Verify(rate=20, script="check.js")
    found = await verify(Inside(NOWHERE), TARGET, "v1", how, 0.3, "/healthz", public=True)  # type: ignore[arg-type]
    assert found.outcome is Outcome.INCONCLUSIVE and "the script needs one" in "; ".join(found.reasons)
