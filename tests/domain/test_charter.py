"""A charter's rules, as properties: whatever is said in whatever order, the traffic has one healthy owner."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.charter import Charter
from domain.errors import LockHeld, Rejected
from domain.place import Lease, Release, Target
from domain.supply import Artifact

TARGET = Target(service="shop", environment="staging")
SEATS = 12
VERSIONS = st.sampled_from(["v1", "v2", "v3"])


def release(version: str, replicas: int = 1, warm: float = 60.0) -> Release:
    artifact = Artifact(kind="image", digest=f"sha256:{version}", location=version)
    return Release(service="shop", version=version, artifact=artifact, replicas=replicas, warm=warm)


class Charters(RuleBasedStateMachine):
    """A charter under any verbs. What is refused changes nothing, because a charter is a value."""

    @initialize()
    def begin(self) -> None:
        self.now = 1000.0
        self.charter = Charter(target=TARGET)
        self.ready: set[str] = set()

    def say(self, verb: str, *words: object) -> None:
        try:
            self.charter = getattr(self.charter, verb)(*words)
        except Rejected:
            return

    @rule(version=VERSIONS, replicas=st.integers(1, 4), warm=st.floats(0, 30))
    def provision(self, version: str, replicas: int, warm: float) -> None:
        self.say("provisioned", release(version, replicas, warm), SEATS, self.now)

    @rule(version=VERSIONS)
    def become_ready(self, version: str) -> None:
        self.ready.add(version)

    @rule(version=VERSIONS)
    def fall_ill(self, version: str) -> None:
        self.ready.discard(version)

    @rule(version=VERSIONS, weight=st.integers(-1, 101))
    def shift(self, version: str, weight: int) -> None:
        self.say("shifted", version, weight, sorted(self.ready))

    @rule(version=VERSIONS)
    def promote(self, version: str) -> None:
        before = self.charter.stable
        self.say("promoted", version, sorted(self.ready), self.now)
        assert self.charter.stable in (before, version)

    @rule(version=st.none() | VERSIONS)
    def abort(self, version: str | None) -> None:
        before = self.charter
        self.say("aborted", version, sorted(self.ready), self.now)
        serving = [one.release.version for one in before.releases if one.weight]
        if version is not None and self.charter is not before and self.ready.intersection(serving):
            assert version in self.ready, "the traffic did not go from the living to the dead"

    @rule(version=VERSIONS)
    def retire(self, version: str) -> None:
        self.say("retired", version)

    @rule(seconds=st.floats(0, 40))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.say("cooled", self.now)

    @precondition(lambda self: self.charter.stable is not None)
    @invariant()
    def all_traffic_has_an_owner(self) -> None:
        assert sum(one.weight for one in self.charter.releases) == 100
        assert self.charter.of(self.charter.stable) is not None

    @invariant()
    def without_a_stable_release_nobody_has_traffic(self) -> None:
        if self.charter.stable is None:
            assert not any(one.weight for one in self.charter.releases)

    @invariant()
    def a_seat_has_one_copy(self) -> None:
        seats = [seat for one in self.charter.releases for seat in one.seats]
        assert len(seats) == len(set(seats)) and all(0 <= seat < SEATS for seat in seats)
        assert all(len(one.seats) == one.release.replicas for one in self.charter.releases)


TestCharters = Charters.TestCase


def test_what_is_said_twice_changes_nothing_the_second_time() -> None:
    charter = Charter(target=TARGET).provisioned(release("v1"), SEATS, 1.0)
    assert charter.provisioned(release("v1"), SEATS, 2.0) is charter
    promoted = charter.promoted("v1", ["v1"], 3.0)
    assert promoted.promoted("v1", [], 4.0) is promoted
    assert promoted.retired("v9") is promoted and promoted.cooled(1e9) is promoted


def test_the_dead_do_not_take_the_traffic_from_the_living() -> None:
    charter = Charter(target=TARGET)
    for version in ("v1", "v2"):
        charter = charter.provisioned(release(version), SEATS, 1.0).promoted(version, [version], 1.0)
    with pytest.raises(Rejected, match="v1 of shop in staging has no healthy copy, and v2 has"):
        charter.aborted("v1", ["v2"], 2.0)
    assert charter.aborted("v1", [], 2.0).stable == "v1", "where nobody lives it is no worse"
    assert charter.aborted("v1", ["v1", "v2"], 2.0).stable == "v1"


def test_seats_come_round_only_after_all_others() -> None:
    charter = Charter(target=TARGET)
    given: list[int] = []
    for number in range(8):
        charter = charter.provisioned(release(f"v{number}", 2), SEATS, 1.0)
        placed = charter.of(f"v{number}")
        assert placed is not None
        given += placed.seats
        charter = charter.retired(f"v{number}")
    assert given[:12] == list(range(12)) and given[12:] == [0, 1, 2, 3]


def test_what_has_the_traffic_is_immutable() -> None:
    charter = Charter(target=TARGET).provisioned(release("v1"), SEATS, 1.0).promoted("v1", ["v1"], 1.0)
    with pytest.raises(Rejected, match="immutable: its configuration is another now"):
        charter.provisioned(release("v1", replicas=3), SEATS, 2.0)


def test_more_copies_than_seats_are_refused_with_the_numbers() -> None:
    with pytest.raises(Rejected, match="13 copies of v1 do not fit: 0 of 12 seats are taken"):
        Charter(target=TARGET).provisioned(release("v1", 13), SEATS, 1.0)


def test_a_lease_is_renewed_refused_and_fenced() -> None:
    charter = Charter(target=TARGET).acquired("a", 10.0, 0.0)
    assert charter.acquired("a", 10.0, 5.0).token == charter.token == 1
    with pytest.raises(LockHeld, match="a is changing shop in staging until 1970-01-01 00:00:10 UTC, 4 s from now"):
        charter.acquired("b", 10.0, 6.0)
    later = charter.acquired("b", 10.0, 11.0)
    assert charter.lease is not None and later.token == 2
    with pytest.raises(Rejected, match="its token 1 is older than 2, which b has"):
        later.fenced(charter.lease)
    other = Lease(target=Target(service="shop", environment="production"), holder="b", token=9, expires=1e9)
    with pytest.raises(Rejected, match="does not cover"):
        later.fenced(other)
