"""Garbage is what nobody needs, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.garbage import Piece, spared, unreferenced
from domain.place import Lease, Release, ReleaseState, ServiceState, Target
from domain.rollout import Rollout, Status
from domain.supply import Artifact

TARGET = Target(service="shop", environment="production")
NOW = 1000.0


def release(version: str) -> Release:
    return Release(service="shop", version=version, artifact=Artifact(kind="bundle", digest=version, location=""))


STATES = st.dictionaries(
    st.sampled_from(["v1", "v2", "v3", "v4"]),
    st.tuples(st.integers(0, 100), st.none() | st.floats(0, 2 * NOW)),
    max_size=4,
).flatmap(
    lambda there: st.builds(
        ServiceState,
        target=st.just(TARGET),
        stable=st.none() | st.sampled_from(["v1", "v2", "v3", "v4"]),
        releases=st.just(
            tuple(
                ReleaseState(release=release(version), weight=weight, warm_until=until)
                for version, (weight, until) in there.items()
            )
        ),
    )
)


@given(STATES)
def test_stable_releases_with_traffic_and_warm_ones_are_never_garbage_and_all_others_are(state: ServiceState) -> None:
    found = unreferenced(state, NOW)
    for one in state.releases:
        warm = one.warm_until is not None and one.warm_until > NOW
        needed = one.release.version == state.stable or one.weight > 0 or warm
        assert (one.release.version in found) != needed
    assert all(found.values())


def test_nothing_goes_while_somebody_works_on_it_or_left_it_half_way() -> None:
    free = ServiceState(target=TARGET)
    held = free.model_copy(update={"lease": Lease(target=TARGET, holder="ada", token=1, expires=NOW)})
    rollout = Rollout(id="r", target=TARGET, release=release("v2"), stable="v1", strategy="any", plan=())
    assert "ada" in spared(held, None)
    for status in Status:
        assert bool(spared(free, rollout.model_copy(update={"status": status}))) is not status.over
    assert spared(free, None) == ""


def test_a_piece_says_what_it_is_where_and_why() -> None:
    piece = Piece(platform="docker", where="shop in staging", version="v1", why="no traffic", problem="busy")
    assert str(piece) == "docker: v1 of shop in staging: no traffic; kept: busy"
