"""What an installation left in a namespace: what it created and no charter wants, since a client was killed or somebody
removed things by hand.

Ours is what this program's requests made (the cluster keeps the name of whoever wrote a field), with the installation's
label, and with the name that we give. A charter is never garbage, and neither is anything of a target that runs and
serves requests without one: whoever removed the charter may put it back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from blocks.platforms.kubernetes_parts import routes
from blocks.platforms.kubernetes_parts.api import MANAGER, Api, Conflict, NotThere
from blocks.platforms.kubernetes_parts.names import (
    ENVIRONMENT,
    INSTALLATION,
    POOL,
    RELEASE,
    ROLE,
    SERIAL,
    SERVICE,
    Names,
    safe,
    token,
)
from domain.charter import Charter
from domain.place import Target

Document = dict[str, Any]
GRACE_S = 600.0
"""A release and a job are made in several steps; nobody takes as long as this between two of them."""
LATE_S = 600.0
"""Seconds after a job's own time that somebody may still be reading what came of it."""
_OF_A_RELEASE = ("copies", "secrets", "release", "budget")


class Thing(NamedTuple):
    """An object of the cluster. `path` is where it is listed; `age` in seconds."""

    kind: str
    path: str
    document: Document
    age: float

    @property
    def name(self) -> str:
        return str(self.document["metadata"]["name"])

    @property
    def role(self) -> str:
        return self.label(ROLE)

    @property
    def target(self) -> tuple[str, str]:
        return self.label(SERVICE), self.label(ENVIRONMENT)

    def label(self, key: str) -> str:
        return str(self.document["metadata"].get("labels", {}).get(key, ""))

    @property
    def ours(self) -> bool:
        """Made by this program, owned by nothing else, and named as we name it."""
        metadata = self.document["metadata"]
        made = any(field.get("manager") == MANAGER for field in metadata.get("managedFields", ()))
        if not made or metadata.get("ownerReferences"):
            return False
        if self.role in _OF_A_RELEASE:
            own = self.label(RELEASE)
            return bool(own) and self.name.endswith((f"-{own}", f"-{own}-share"))
        return self.role in ("front", "route") or (self.role == "job" and "-job-" in self.name)


class Wanted(NamedTuple):
    """What one charter wants: labels of its releases, and the names of copies that share requests."""

    releases: Collection[str]
    sharing: Collection[str]
    serial: int


def key(target: Target) -> tuple[str, str]:
    """A target as its objects' labels name it."""
    return safe(target.service), safe(target.environment)


def unreferenced(
    things: Sequence[Thing], wanted: Mapping[tuple[str, str], Wanted], grace: float = GRACE_S
) -> list[Thing]:
    """Those that are ours, that no charter wants and that are older than `grace` seconds."""
    jobs = {one.name for one in things if one.kind == "Job" and not _over(one)}
    running = {one.target for one in things if one.kind == "Deployment"} - wanted.keys()
    serving = {one.target for one in things if one.target in running and _serves(one)}
    left = [
        one
        for one in things
        if one.ours and one.age >= grace and one.target not in serving and not _needed(one, wanted, jobs)
    ]
    return sorted(left, key=lambda one: (one.kind, one.name))


def _needed(one: Thing, wanted: Mapping[tuple[str, str], Wanted], jobs: Collection[str]) -> bool:
    if one.role == "job":
        return one.name in jobs
    charter = wanted.get(one.target)
    if charter is None:
        return False
    if one.role not in _OF_A_RELEASE:
        return True
    if one.label(RELEASE) not in charter.releases:
        return False
    if not one.name.endswith("-share"):
        return True
    # What a newer decision is preparing is not left over.
    decided = int(one.document["metadata"].get("annotations", {}).get(SERIAL, 0))
    return one.name in charter.sharing or decided > charter.serial


def _serves(one: Thing) -> bool:
    """Whether it sends the public's requests to somebody."""
    if one.role == "route":
        return True
    selector = one.document.get("spec", {}).get("selector") or {}
    return one.role == "front" and selector.get(POOL) != routes.NOBODY[POOL]


def _over(job: Thing) -> bool:
    """Whether whoever asked for it cannot be waiting any more."""
    return job.age > float(job.document["spec"].get("activeDeadlineSeconds", 0)) + LATE_S


def _wanted(document: Document) -> Document:
    """What somebody has asked for: without what the cluster notes of it."""
    kept = {key: value for key, value in document.items() if key not in ("status", "apiVersion", "kind")}
    noted = ("resourceVersion", "managedFields")
    return kept | {"metadata": {key: value for key, value in document["metadata"].items() if key not in noted}}


class Garbage:
    """Of one installation in one namespace. `routing` as the block's: its kind of routes is looked at, no other."""

    def __init__(self, api: Api, namespace: str, installation: str, routing: routes.Routing) -> None:
        self.api, self.installation, self.routing = api, installation, routing
        self.names = Names(Target(service="any", environment="any"), namespace, installation)

    async def listed(self) -> list[Thing]:
        """Everything of the installation that is not a charter."""
        kinds = await self._kinds()
        found = await asyncio.gather(*(self._every(path) for path in kinds.values()))
        now = time.time()
        return [
            Thing(kind, path, one, now - _moment(one["metadata"]["creationTimestamp"]))
            for (kind, path), several in zip(kinds.items(), found, strict=True)
            for one in several
        ]

    async def remove(self, things: Sequence[Thing]) -> list[Thing]:
        """They go, and those that went are returned. One that was changed since it was listed is left alone; what the
        cluster itself notes in its status is no change."""
        return [one for one in things if await self._removed(one)]

    async def _removed(self, one: Thing) -> bool:
        path, document = f"{one.path}/{one.name}", one.document
        for _ in range(3):
            metadata = document["metadata"]
            try:
                await self.api.delete(path, {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]})
                return True
            except Conflict:
                now = await self.api.find(path)
            if now is None:
                return True
            if _wanted(now) != _wanted(one.document):
                return False
            document = now
        return False

    async def _kinds(self) -> dict[str, str]:
        names = self.names
        kinds = {
            "Deployment": names.deployments,
            "Job": names.jobs,
            "PodDisruptionBudget": (await self.api.budgets(names.namespace))[0],
            "Secret": names.secrets,
            "Service": names.services,
        }
        for path in routes.paths(names, self.routing)[:1]:
            kinds[routes.KINDS[self.routing]] = path.rpartition("/")[0]
        return kinds

    async def _every(self, path: str) -> list[Document]:
        chosen = f"{INSTALLATION}={self.installation},app.kubernetes.io/managed-by={MANAGER}"
        try:
            return list((await self.api.get(path, labelSelector=chosen))["items"])
        except NotThere:  # a kind that this cluster does not have
            return []


def wants(charter: Charter, names: Names, sharing: Mapping[str, int]) -> Wanted:
    """What a charter wants, as labels and names."""
    releases = {token(one.release.version) for one in charter.releases}
    return Wanted(releases, {f"{names.release(version)}-share" for version in sharing}, charter.serial)


def told(things: Sequence[Thing]) -> tuple[str, ...]:
    """For a person: `Deployment tes-staging-shop-r0a1b2c3d`."""
    return tuple(f"{one.kind} {one.name}" for one in things)


def _moment(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
