"""What an installation left on an engine: containers and networks of targets of which nothing else is there.

A target whose proxy was removed is put together again from its notebook (`Front.there`). Only what has neither, a proxy
or a notebook, is garbage; a notebook never is: it is the environment's history.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from blocks.platforms.docker_parts.engine import Engine
from blocks.platforms.docker_parts.names import LABEL

if TYPE_CHECKING:
    from docker import DockerClient

# A target is made in several steps, the notebook first; nobody takes as long as this between two of them.
GRACE_S = 600.0


class Thing(NamedTuple):
    """A labelled thing on the engine. `age` in seconds."""

    kind: str
    id: str
    name: str
    labels: dict[str, str]
    age: float

    @property
    def target(self) -> tuple[str, str]:
        return self.labels.get(f"{LABEL}.service", ""), self.labels.get(f"{LABEL}.environment", "")


def unreferenced(things: Iterable[Thing], grace: float = GRACE_S) -> list[Thing]:
    """Those of targets without a proxy and without a notebook, unless they are younger than `grace` seconds; containers
    first, since a network goes only when nothing is in it."""
    there = list(things)
    alive = {one.target for one in there if one.labels.get(f"{LABEL}.role") in ("front", "notebook")}
    left = [one for one in there if one.target not in alive and one.kind != "volume" and one.age >= grace]
    return sorted(left, key=lambda one: (one.kind, one.name))


async def found(engine: Engine, installation: str, grace: float = GRACE_S) -> list[Thing]:
    """What this installation left on the engine. Unavailable when the engine does not answer."""
    return unreferenced(await engine.do(lambda client: _things(client, installation)), grace)


async def collected(engine: Engine, installation: str, grace: float = GRACE_S) -> list[Thing]:
    """Removes it, and returns what is gone. What another has removed meanwhile is gone as well."""
    left = await found(engine, installation, grace)
    await engine.do(lambda client: _remove(client, left))
    return left


def names(things: Sequence[Thing]) -> tuple[str, ...]:
    """For a person: `container tes-staging-shop-3`."""
    return tuple(f"{one.kind} {one.name}" for one in things)


def _things(client: DockerClient, installation: str) -> list[Thing]:
    filters = {"label": f"{LABEL}.installation={installation}"}
    now, there = time.time(), []
    for container in client.containers.list(all=True, filters=filters, ignore_removed=True):
        age = now - _moment(container.attrs["Created"])
        there.append(Thing("container", str(container.id), str(container.name), container.labels, age))
    for network in client.networks.list(filters=filters):
        labels = network.attrs.get("Labels") or {}
        there.append(
            Thing("network", str(network.id), str(network.name), labels, now - _moment(network.attrs["Created"]))
        )
    for volume in client.volumes.list(filters=filters):
        labels = volume.attrs.get("Labels") or {}
        there.append(
            Thing("volume", str(volume.id), str(volume.name), labels, now - _moment(volume.attrs["CreatedAt"]))
        )
    return there


def _moment(text: str) -> float:
    """Of the engine's own way to write it: nanoseconds are cut to what can be read."""
    head, dot, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    zone = rest[len(digits) :] if dot else ""
    return datetime.fromisoformat(f"{head}{dot}{digits[:6]}{zone}".replace("Z", "+00:00")).timestamp()


def _remove(client: DockerClient, things: Sequence[Thing]) -> None:
    from docker.errors import NotFound

    for one in things:
        try:
            if one.kind == "container":
                client.containers.get(one.id).remove(force=True)
            else:
                client.networks.get(one.id).remove()
        except NotFound:
            continue  # somebody else removed it
