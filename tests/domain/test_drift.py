"""Drift: nothing is found where nothing has drifted, and nothing that has is missed."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import drift, history
from domain.history import LENGTH, History
from domain.place import CopyState, Release, ReleaseState, ServiceState, Target
from domain.supply import Artifact
from domain.verdict import Outcome

TARGET = Target(service="shop", environment="production")


def release(version: str, replicas: int = 2) -> Release:
    return Release(
        service="shop",
        version=version,
        artifact=Artifact(kind="bundle", digest=f"sha256:{version}", location=""),
        replicas=replicas,
    )


def here(version: str, replicas: int = 2, **values: object) -> ReleaseState:
    copies = tuple(CopyState(name=f"{version}-{n}", healthy=True) for n in range(replicas))
    return ReleaseState(release=release(version, replicas), copies=copies).model_copy(update=values)


def after(*versions: str, replicas: int = 2) -> History:
    pages: History = ()
    for number, version in enumerate(versions):
        pages = history.promoted(pages, release(version, replicas), float(number))
    return pages


@st.composite
def in_order(draw: st.DrawFn) -> tuple[ServiceState, History]:
    """An environment as rollouts and rollbacks leave it: any number of them, some earlier releases still warm."""
    versions = draw(st.lists(st.sampled_from([f"v{n}" for n in range(40)]), min_size=1, max_size=40, unique=True))
    replicas = draw(st.integers(1, 4))
    pages = after(*versions, replicas=replicas)
    left = draw(st.sets(st.sampled_from(versions)))
    for version in left - {versions[0]}:
        pages = history.left(pages, version)
    intended = history.intended(pages)
    if intended is None:
        return ServiceState(target=TARGET), pages
    others = draw(st.sets(st.sampled_from(versions), max_size=3)) - {intended.version}
    releases = [here(intended.version, replicas, weight=100)]
    releases += [here(version, replicas, warm_until=9.0) for version in sorted(others)]
    state = ServiceState(
        target=TARGET, stable=intended.version, releases=tuple(draw(st.permutations(releases))), address="http://there"
    )
    return state, pages


@given(in_order(), st.none() | st.just("v1"))
def test_what_runs_as_released_has_not_drifted(place: tuple[ServiceState, History], recorded: str | None) -> None:
    state, pages = place
    if state.stable is not None:
        assert drift.found(state, pages, recorded) == ()


Harm = Callable[[ServiceState, ReleaseState], ServiceState]


def _but(state: ServiceState, stable: ReleaseState, **values: object) -> ServiceState:
    """With the stable release changed."""
    other = stable.model_copy(update=values)
    return state.model_copy(update={"releases": tuple(other if one is stable else one for one in state.releases)})


def _ill(state: ServiceState, stable: ReleaseState) -> ServiceState:
    copy = stable.copies[0].model_copy(update={"healthy": False, "reason": "answered 500"})
    return _but(state, stable, copies=(copy, *stable.copies[1:]))


def _with(state: ServiceState, other: ReleaseState) -> ServiceState:
    return state.model_copy(update={"releases": (*state.releases, other)})


HARMS: dict[str, tuple[Harm, str]] = {
    "a copy is missing": (lambda s, r: _but(s, r, copies=r.copies[1:]), "copies"),
    "a copy is ill": (_ill, "not healthy: .*: answered 500"),
    "no traffic": (lambda s, r: _but(s, r, weight=0), "the weights add up to 0 %"),
    "too little traffic": (lambda s, r: _but(s, r, weight=60), "the weights add up to 60 %"),
    "a canary nobody watches": (
        lambda s, r: _with(_but(s, r, weight=90), here("canary", weight=10)),
        "canary has 10 % of the traffic, and no rollout is under way",
    ),
    "the address is gone": (lambda s, r: s.model_copy(update={"address": ""}), "no public address"),
    "a release nobody released": (lambda s, r: _with(s, here("mine")), "mine is there, and nobody released it"),
    "another is stable": (
        lambda s, r: _with(_but(s, r, weight=0), here("mine", weight=100)).model_copy(update={"stable": "mine"}),
        "mine is stable, and v[0-9]+ was promoted last",
    ),
    "nothing is stable": (lambda s, r: s.model_copy(update={"stable": None}), "nothing is stable"),
    "it is gone": (
        lambda s, r: s.model_copy(update={"releases": tuple(o for o in s.releases if o is not r)}),
        "is gone: it was promoted last",
    ),
    "all is gone": (lambda s, r: ServiceState(target=TARGET), "is gone: it was promoted last"),
    "another artifact under its name": (
        lambda s, r: _but(
            s,
            r,
            release=r.release.model_copy(
                update={"artifact": Artifact(kind="bundle", digest="sha256:mine", location="")}
            ),
        ),
        "runs artifact sha256:mine",
    ),
    "another setting under its name": (
        lambda s, r: _but(s, r, release=r.release.model_copy(update={"environment": {"A": "secret"}})),
        "is configured otherwise than released: environment$",
    ),
}


@pytest.mark.parametrize("harm", HARMS)
@given(place=in_order())
def test_no_harm_is_missed(harm: str, place: tuple[ServiceState, History]) -> None:
    state, pages = place
    stable = state.of(state.stable)
    if stable is None:
        return
    done, told = HARMS[harm]
    findings = drift.found(done(state, stable), pages, None)
    assert any(re.search(told, one) for one in findings), findings
    judged = drift.verdict(done(state, stable), findings)
    assert judged.outcome is Outcome.FAIL and judged.reasons == findings


def test_an_environment_that_is_gone_with_its_notebook_is_missed_by_the_records() -> None:
    empty = ServiceState(target=TARGET)
    (finding,) = drift.found(empty, (), "v3")
    assert "v3 was promoted" in finding and "gone" in finding
    assert drift.found(empty, (), None) == ()


def test_what_is_stable_without_any_history_is_told() -> None:
    state = ServiceState(target=TARGET, stable="v1", releases=(here("v1", weight=100),), address="http://there")
    assert drift.found(state, (), None) == ("v1 is stable, and the environment's history knows no promotion",)


def test_a_warm_release_that_the_full_history_has_forgotten_is_no_stranger() -> None:
    pages = after(*(f"v{n}" for n in range(LENGTH + 5)))
    state = ServiceState(target=TARGET, stable=pages[0].release.version, releases=(here("v0", warm_until=1.0),))
    assert drift.odd(state, pages) == {}
    assert drift.odd(state, pages[:-1]) == {"v0": False}


def test_a_released_version_that_is_neither_stable_nor_warm_is_told_apart_from_a_stranger() -> None:
    state = ServiceState(target=TARGET, stable="v2", releases=(here("v2", weight=100), here("v1"), here("x")))
    assert drift.odd(state, after("v1", "v2")) == {"v1": True, "x": False}
