"""What is garbage in a namespace, decided without a cluster."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.platforms.kubernetes_parts import manifests, routes
from blocks.platforms.kubernetes_parts.api import MANAGER
from blocks.platforms.kubernetes_parts.garbage import GRACE_S, LATE_S, Thing, Wanted, key, told, unreferenced, wants
from blocks.platforms.kubernetes_parts.manifests import Wishes
from blocks.platforms.kubernetes_parts.names import RELEASE, ROLE, SERIAL, Names, token
from domain.charter import Charter, Placed
from domain.place import Job, Release, Target
from domain.supply import Artifact

OLD = 2 * GRACE_S
SERVICES = ("shop", "An Other_Shop")
VERSIONS = ("v1", "v2")


def target(service: str) -> Target:
    return Target(service=service, environment="staging")


def release(service: str, version: str) -> Release:
    return Release(service=service, version=version, artifact=Artifact(kind="image", digest="d", location="i"))


def charter(service: str, *versions: str) -> Charter:
    placed = tuple(Placed(release=release(service, version)) for version in versions)
    return Charter(target=target(service), serial=7, stable=versions[0] if versions else None, releases=placed)


def wanted(*charters: Charter, sharing: tuple[str, ...] = ()) -> dict[tuple[str, str], Wanted]:
    return {key(one.target): wants(one, Names(one.target, "n", "tes"), dict.fromkeys(sharing, 1)) for one in charters}


def made(kind: str, document: dict[str, Any], age: float = OLD, manager: str = MANAGER) -> Thing:
    document["metadata"]["managedFields"] = [{"manager": manager}]
    return Thing(kind, "/path", document, age)


def thing(service: str, version: str, what: str, age: float = OLD) -> Thing:
    """One of the objects that a release or a target has."""
    names, one = Names(target(service), "n", "tes"), release(service, version)
    spec: dict[str, Any] = {"containers": [{}]}
    match what:
        case "copies":
            return made("Deployment", manifests.deployment(names, one, spec, 1), age)
        case "share":
            document = manifests.deployment(names, one, spec, 1, "pool")
            document["metadata"]["annotations"][SERIAL] = "7"
            return made("Deployment", document, age)
        case "secrets":
            return made("Secret", manifests.secret(names, names.release(version), one, {"A": "b"}, "secrets"), age)
        case "budget":
            return made("PodDisruptionBudget", manifests.budget(names, one, "v1"), age)
        case "release":
            labels = names.labels(**{ROLE: "release", RELEASE: token(version)})
            return made("Service", service_of(names, names.release(version), {}, labels), age)
        case "front":
            return made("Service", service_of(names, names.stem, routes.NOBODY, names.labels(**{ROLE: "front"})), age)
        case _:
            raise AssertionError(what)


def service_of(names: Names, name: str, selector: dict[str, str], labels: dict[str, str]) -> dict[str, Any]:
    return manifests.service(names, name, selector, port=80, kind="ClusterIP", labels=labels)


def job(minutes: float, timeout: float = 60.0, **metadata: Any) -> Thing:
    names = Names(target("shop"), "n", "tes")
    wish = Job(name="migrate", command=("x",), timeout=timeout)
    document = manifests.job(names, f"{names.stem}-job-1", release("shop", "v1"), wish, Wishes(), {})
    document["metadata"].update(metadata)
    return made("Job", document, 60 * minutes)


KINDS = ("copies", "share", "secrets", "budget", "release", "front")
THINGS = st.builds(
    thing, st.sampled_from(SERVICES), st.sampled_from(VERSIONS), st.sampled_from(KINDS), st.sampled_from([0.0, OLD])
)


@given(st.lists(THINGS), st.dictionaries(st.sampled_from(SERVICES), st.sets(st.sampled_from(VERSIONS))))
def test_garbage_is_old_and_wanted_by_no_charter(things: list[Thing], held: dict[str, set[str]]) -> None:
    charters = [charter(service, *sorted(versions)) for service, versions in held.items()]
    left = unreferenced(things, wanted(*charters))
    for one in things:
        service = next(name for name in SERVICES if key(target(name)) == one.target)
        tokens = {token(version) for version in held.get(service, ())}
        needed = one.role == "front" and service in held
        needed |= one.label(RELEASE) in tokens and not one.name.endswith("-share")
        assert (one in left) == (one.age >= GRACE_S and not needed), one.name


def test_copies_that_share_requests_stay_while_they_do_and_when_a_newer_decision_prepares_them() -> None:
    share = thing("shop", "v2", "share")
    both = charter("shop", "v1", "v2")
    assert unreferenced([share], wanted(both)) == [share]
    assert unreferenced([share], wanted(both, sharing=("v2",))) == []
    share.document["metadata"]["annotations"][SERIAL] = "8"
    assert unreferenced([share], wanted(both)) == []


def test_what_somebody_else_wrote_or_owns_or_named_is_not_touched() -> None:
    theirs = thing("shop", "v1", "copies")
    theirs.document["metadata"]["managedFields"] = [{"manager": "kubectl"}, {"manager": "helm"}]
    owned = thing("shop", "v1", "secrets")
    owned.document["metadata"]["ownerReferences"] = [{"kind": "SealedSecret"}]
    named = thing("shop", "v1", "release")
    named.document["metadata"]["name"] = "shop-for-the-fair"
    strange = thing("shop", "v1", "budget")
    strange.document["metadata"]["labels"][ROLE] = "mine"
    assert unreferenced([theirs, owned, named, strange], {}) == []


def test_what_serves_the_public_is_not_taken_down_because_its_charter_is_gone() -> None:
    front, copies = thing("shop", "v1", "front"), thing("shop", "v1", "copies")
    selector = routes.selector(Names(target("shop"), "n", "tes"), charter("shop").changed(
        releases=(Placed(release=release("shop", "v1"), weight=100),), stable="v1"
    ))  # fmt: skip
    front.document["spec"]["selector"] = selector
    assert unreferenced([front, copies], {}) == []
    assert unreferenced([front], {}) == [front], "nobody is behind it"


@pytest.mark.parametrize(("minutes", "over"), [(1, False), (5, False), (11, False), (12, True)])
def test_a_job_is_left_over_when_nobody_can_be_waiting_for_it(minutes: float, over: bool) -> None:
    one = job(minutes)
    names = Names(target("shop"), "n", "tes")
    secret = made("Secret", manifests.secret(names, one.name, release("shop", "v1"), {"A": "b"}, "job"), one.age)
    assert 60 + 30 + LATE_S == 690
    assert unreferenced([one, secret], wanted(charter("shop"))) == ([one, secret] if over else [])


def test_the_secret_of_a_job_that_never_came_is_left_over() -> None:
    names = Names(target("shop"), "n", "tes")
    secret = made("Secret", manifests.secret(names, f"{names.stem}-job-2", release("shop", "v1"), {"A": "b"}, "job"))
    assert told(unreferenced([secret, job(1)], wanted(charter("shop")))) == (f"Secret {names.stem}-job-2",)
