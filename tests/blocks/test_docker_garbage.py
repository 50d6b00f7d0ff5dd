"""What is garbage on an engine, decided without one; and found and removed on a real one."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from docker import DockerClient
from hypothesis import given
from hypothesis import strategies as st

from blocks.platforms.docker_parts.engine import Engine
from blocks.platforms.docker_parts.garbage import GRACE_S, Thing, _moment, collected, found, names, unreferenced
from blocks.platforms.docker_parts.names import LABEL, Names
from domain.place import Target

ROLES = ("front", "copy", "job", "network", "notebook")


def thing(service: str, role: str, age: float = 2 * GRACE_S) -> Thing:
    kind = {"network": "network", "notebook": "volume"}.get(role, "container")
    labels = Names(Target(service=service, environment="staging")).labels(role)
    return Thing(kind, f"{service}-{role}", f"{service}-{role}", labels, age)


THINGS = st.lists(
    st.builds(thing, st.sampled_from(["a", "b", "c"]), st.sampled_from(ROLES), st.sampled_from([0.0, 2 * GRACE_S]))
)


@given(THINGS)
def test_garbage_is_old_and_of_a_target_without_proxy_and_notebook(things: list[Thing]) -> None:
    left = unreferenced(things)
    for one in things:
        mates = [other.labels[f"{LABEL}.role"] for other in things if other.target == one.target]
        needed = "front" in mates or "notebook" in mates or one.age < GRACE_S
        assert (one in left) != needed
    assert [one.kind for one in left] == sorted(one.kind for one in left)


def test_a_removed_proxy_makes_no_garbage_of_what_it_can_be_put_together_from() -> None:
    assert unreferenced([thing("a", role) for role in ("copy", "network", "notebook")]) == []


@pytest.mark.parametrize(
    "text", ["2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05Z", "2026-01-02T04:04:05.1+01:00"]
)
def test_the_engines_times_are_read(text: str) -> None:
    assert int(_moment(text)) == 1767323045


def network(name: Names) -> Callable[[DockerClient], object]:
    return lambda client: client.networks.create(name.network, labels=name.labels("network"))


@pytest.mark.requires("docker")
async def test_a_network_that_was_left_on_an_engine_is_found_and_removed() -> None:
    """Ours, of a target of which nothing else is there; what belongs to another installation stays."""
    mine, other = f"gc-{uuid.uuid4().hex[:8]}", f"gc-{uuid.uuid4().hex[:8]}"
    engine = Engine()
    made = {who: Names(Target(service="shop", environment="staging"), who) for who in (mine, other)}
    for one in made.values():
        await engine.do(network(one))
    try:
        assert names(await found(engine, mine)) == (), "it is too young"
        assert names(await found(engine, mine, 0.0)) == (f"network {made[mine].network}",)
        assert names(await collected(engine, mine, 0.0)) == (f"network {made[mine].network}",)
        assert await found(engine, mine, 0.0) == [] == await collected(engine, mine, 0.0)
        assert names(await found(engine, other, 0.0)) == (f"network {made[other].network}",)
    finally:
        await collected(engine, other, 0.0)
