"""A forecast says what the rollout machine would do, beside what is there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.forecast import forecast
from domain.place import Lease, Release, ReleaseState, ServiceState, Target
from domain.rollout import Rollout, plan
from domain.spec import EnvironmentSpec, Migrations, ReleaseSpec, Step, Verify
from domain.supply import Artifact

TARGET = Target(service="shop", environment="production")
CANARY = EnvironmentSpec(
    strategy="canary", steps=(Step(weight=10, bake=3), Step(weight=50, bake=4)), verify=Verify(bake=5), warm=60
)


def release(version: str) -> Release:
    return Release(service="shop", version=version, artifact=Artifact(kind="bundle", digest=version, location=""))


def state(*warm: str, stable: str | None = "v1") -> ServiceState:
    there = [ReleaseState(release=release(stable), weight=100)] if stable else []
    there += [ReleaseState(release=release(version), warm_until=9.0) for version in warm]
    return ServiceState(target=TARGET, stable=stable, releases=tuple(there))


@given(
    st.sampled_from([CANARY, EnvironmentSpec(), EnvironmentSpec(strategy="all_at_once")]),
    st.sampled_from([None, "v1"]),
    st.booleans(),
    st.none() | st.integers(1, 9),
)
def test_the_steps_are_those_of_the_machine(
    place: EnvironmentSpec, stable: str | None, migrates: bool, replicas: int | None
) -> None:
    how = ReleaseSpec(migrations=Migrations(command=("m",)) if migrates else None, replicas=3)
    place = place.model_copy(update={"replicas": replicas})
    told = forecast("production", place, how, None, state(stable=stable), None)
    assert told.steps == tuple(map(str, plan(place, first=stable is None, migrates=migrates)))
    assert (told.now, told.copies) == (stable, replicas or 3)
    assert told.traffic[-1].startswith("100 %") and len(told.traffic) == 1 + sum("shift" in s for s in told.steps)
    assert "nothing was done" in str(told)


def test_it_says_what_is_there_what_comes_and_what_goes() -> None:
    told = str(forecast("production", CANARY, None, "v2", state("v0"), None)).splitlines()
    assert told[-6:] == [
        "  now      v1",
        "  then     v2, numbered when it is built, 1 copies to start",
        "  traffic  10 % for 3 s, 50 % for 4 s, 100 %, watched for 5 s",
        "  retired  v1, kept warm for 60 s after promotion",
        "  retired  v0, when its own warm time is over",
        "  note     a person must say yes before anything moves",
    ]


def test_what_stands_in_the_way_is_said() -> None:
    held = state().model_copy(update={"lease": Lease(target=TARGET, holder="bob", token=1, expires=9.0)})
    left = Rollout(
        id="r",
        target=TARGET,
        release=release("v3"),
        stable="v1",
        strategy="any",
        plan=plan(CANARY, first=False, migrates=False),
    )
    calm = CANARY.model_copy(update={"approval": False})
    told = forecast("production", calm, None, None, held, left).remarks
    assert len(told) == 2 and "bob is changing it now" in told[0] and "v3 was left at provision" in told[1]


@pytest.mark.parametrize("why", ["no answer"])
def test_where_the_platform_gave_no_answer_nothing_is_claimed_of_it(why: str) -> None:
    told = forecast("production", CANARY, None, None, None, None, why)
    assert told.now is None and told.retired == () and "now      not known: no answer" in str(told)
    assert "nothing is released" not in str(told)
