"""One target in a cluster: its charter is a ConfigMap, its public address a Service, each release a Deployment.

The charter is replaced only with the resourceVersion that was read (compare and swap). The route is told after that,
also with the version that was read, and read before the charter: who comes late with an older decision is refused,
reads the newer one, and tells that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from blocks.platforms.chartered import Seen, Stale
from blocks.platforms.kubernetes_parts import manifests, pods, routes
from blocks.platforms.kubernetes_parts.address import public
from blocks.platforms.kubernetes_parts.api import Api, Conflict, Document
from blocks.platforms.kubernetes_parts.garbage import Wanted, wants
from blocks.platforms.kubernetes_parts.jobs import Jobs
from blocks.platforms.kubernetes_parts.manifests import Wishes
from blocks.platforms.kubernetes_parts.names import (
    DIGEST,
    LEFT,
    POOL,
    RELEASE,
    ROLE,
    SERIAL,
    TRACK,
    Names,
    digest,
    token,
)
from blocks.platforms.kubernetes_parts.shares import shared
from domain.charter import Charter, Placed
from domain.errors import Rejected, Unavailable
from domain.place import Job, JobResult, Release

_TRIES = 20
_POLL = 0.2
_SETTLING = 30.0  # seconds until the cluster has written a Service's endpoints


class ClusterPlace:
    """Of one target. `routing`, `service_type`, `host`, `most_copies`, `propagation`: as the block's fields."""

    seats = 1000

    def __init__(
        self,
        api: Api,
        names: Names,
        wishes: Wishes,
        *,
        routing: routes.Routing,
        service_type: str,
        host: str | None,
        route: Mapping[str, Any],
        most_copies: int,
        propagation: float,
    ) -> None:
        self.api, self.names, self.wishes, self.target = api, names, wishes, names.target
        self.routing, self.service_type, self.host, self.route = routing, service_type, host, route
        self.most_copies, self.propagation = most_copies, propagation
        self._versions: dict[int, str] = {}

    async def begun(self) -> bool:
        return await self.api.find(self.names.charter) is not None

    async def begin(self) -> None:
        """The Service first, which serves nobody: where it cannot be, nothing has begun. Rejected where it serves
        without a charter: what runs there is not taken from its clients."""
        for attempt in range(_TRIES):
            if await self.begun():
                return
            try:
                return await self._begin(await self.api.find(self.names.service))
            except Conflict:  # another one begins it
                await asyncio.sleep(0.05 * attempt)
        raise Unavailable(f"{self.target} is begun by others all the time")

    async def _begin(self, service: Document | None) -> None:
        if service is not None and (service["spec"].get("selector") or {}).get(POOL) != routes.NOBODY[POOL]:
            if await self.begun():
                return
            raise Rejected(
                f"{self.target} serves requests, and its ConfigMap {self.names.stem} is gone from the namespace "
                f"{self.names.namespace}: nobody knows what was released",
                fix=f"put the ConfigMap back, or delete the Service {self.names.stem} to release from nothing",
            )
        version = service["metadata"]["resourceVersion"] if service is not None else None
        await self._tell_service(Charter(target=self.target), version)
        await self.api.create(self.names.charters, manifests.charter(self.names, Charter(target=self.target), None))

    async def prepare(self, release: Release) -> None:
        charter = await self.charter()
        here = charter.of(charter.stable)
        if here is not None and _port(here.release) != _port(release):
            raise Rejected(
                f"{self.target} serves on port {_port(here.release)}, and environments.<name>.port is {_port(release)}",
                fix="set it back, or release to another environment and move the clients there",
            )

    async def charter(self) -> Charter:
        found = await self.api.get(self.names.charter)
        charter = Charter.model_validate_json(found["data"]["charter"])
        self._versions = {charter.serial: found["metadata"]["resourceVersion"]}
        return charter

    async def look(self) -> Seen:
        charter, service, deployments, found = await asyncio.gather(
            self.charter(),
            self.api.find(self.names.service),
            self.api.get(self.names.deployments, labelSelector=self.names.selector(**{ROLE: "copies"})),
            self.api.get(self.names.pods, labelSelector=self.names.selector(**{ROLE: "copy", TRACK: "main"})),
        )
        copies, troubles = {}, {}
        for placed in charter.releases:
            version, rid = placed.release.version, token(placed.release.version)
            own = [pod for pod in pods.newest(found["items"]) if _is_of(pod, rid, digest(placed.release))]
            seen = [pods.copy(pod, await self._events(pod)) for pod in own]
            if sum(state.healthy for state, _ in seen) >= placed.release.replicas:
                seen = [one for one in seen if one[0].healthy]  # what comes up beside them is to take their place
            copies[version] = [state for state, _ in seen]
            said = [trouble for _, trouble in seen if trouble]
            said += [why for one in deployments["items"] if _label(one, RELEASE) == rid and (why := pods.refused(one))]
            if said:
                troubles[version] = said[0]
        address = await self._public(service) if service is not None and charter.stable else ""
        return Seen(charter, copies, troubles, address, await self._agrees(charter, service, deployments["items"]))

    async def swap(self, seen: Seen, charter: Charter) -> None:
        told = not seen.agrees or routes.shares(seen.charter) != routes.shares(charter)
        if told:
            await self._prepare(charter)  # before the decision: no request is to meet a copy that is not ready
        if charter is not seen.charter:
            version = self._versions.get(seen.charter.serial)
            try:
                await self.api.replace(self.names.charter, manifests.charter(self.names, charter, version))
            except Conflict as error:
                raise Stale(str(error)) from error
        if told:
            await self._tell(charter)

    async def start(self, placed: Placed, secrets: Mapping[str, str]) -> None:
        release, names = placed.release, self.names
        name = names.release(release.version)
        if secrets:
            document = manifests.secret(names, name, release, secrets, "secrets")
            await self.api.apply(f"{names.secrets}/{name}", document)
        if self.routing != "copies":
            labels = names.labels(**{ROLE: "release", RELEASE: token(release.version)})
            own = {RELEASE: token(release.version), TRACK: "main"}
            document = manifests.service(names, name, own, port=80, kind="ClusterIP", labels=labels)
            await self.api.apply(f"{names.services}/{name}", document)
        if release.replicas > 1:
            budgets, version = await self.api.budgets(names.namespace)
            await self.api.apply(f"{budgets}/{name}", manifests.budget(names, release, version))
        here = await self.api.find(f"{names.deployments}/{name}")
        if here is not None and here["metadata"].get("annotations", {}).get(DIGEST) != digest(release):
            await self._gone(f"{names.deployments}/{name}")
            here = None
        if here is None:
            await self._deploy(release, release.replicas)
        elif here["spec"]["replicas"] < release.replicas and not await self._scaled(name):
            await self.api.merge(f"{names.deployments}/{name}", {"spec": {"replicas": release.replicas}})

    async def tidy(self) -> None:
        """What there is is listed before the charter is read: what comes later is not touched."""
        names, every = self.names, self.names.selector()
        budgets, _ = await self.api.budgets(names.namespace)
        kinds = (names.deployments, names.secrets, names.services, budgets)
        found = await asyncio.gather(*(self.api.get(kind, labelSelector=every) for kind in kinds))
        charter = await self.charter()
        wanted = {token(one.release.version) for one in charter.releases}
        sharing = {f"{names.release(version)}-share" for version in self._sharing(charter)}
        for kind, listed in zip(kinds, found, strict=True):
            for one in listed["items"]:
                name, rid = one["metadata"]["name"], _label(one, RELEASE)
                left = rid and _label(one, ROLE) != "job" and rid not in wanted
                if left or (_shares(one) and name not in sharing and _decided(one) <= charter.serial):
                    await self.api.delete(f"{kind}/{name}")

    async def end(self) -> None:
        """The charter goes last: what was begun is known until it is done."""
        names, every = self.names, self.names.selector()
        budgets, _ = await self.api.budgets(names.namespace)
        for path in routes.paths(names, self.routing):
            await self.api.delete(path)
        for kind in (names.deployments, names.jobs, budgets, names.secrets, names.services, names.charters):
            for one in (await self.api.get(kind, labelSelector=every))["items"]:
                await self.api.delete(f"{kind}/{one['metadata']['name']}")

    async def run(self, release: Release, job: Job, secrets: Mapping[str, str]) -> JobResult:
        return await Jobs(self.api, self.names, self.wishes).run(release, job, secrets)

    async def _public(self, service: Document) -> str:
        return await public(self.api, self.names, service, self.routing, self.host)

    # Copies.

    async def _deploy(self, release: Release, replicas: int, pool: str | None = None, serial: int = 0) -> None:
        minor = str((await self.api.get("/version")).get("minor", "0")).rstrip("+")
        secret = self.names.release(release.version)
        can_sleep = minor.isdigit() and int(minor) >= 30
        spec = manifests.pod(release, self.wishes, release.secrets, secret, can_sleep=can_sleep)
        document = manifests.deployment(self.names, release, spec, replicas, pool)
        document["metadata"]["annotations"][SERIAL] = str(serial)
        await self.api.apply(f"{self.names.deployments}/{document['metadata']['name']}", document)

    async def _scaled(self, name: str) -> bool:
        """Whether an autoscaler says how many copies there are: it is left alone."""
        path = f"/apis/autoscaling/v1/namespaces/{self.names.namespace}/horizontalpodautoscalers"
        return any(one["spec"]["scaleTargetRef"]["name"] == name for one in (await self.api.get(path))["items"])

    async def _gone(self, path: str) -> None:
        await self.api.delete(path)
        for _ in range(150):
            if await self.api.find(path) is None:
                return
            await asyncio.sleep(_POLL)
        raise Unavailable(f"{path} was deleted and is still there after 30 s")

    async def _events(self, pod: Document) -> list[Document]:
        """About a pod that is not ready; none of one that is."""
        if any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", ())):
            return []
        name = pod["metadata"]["name"]
        found = await self.api.get(self.names.events, fieldSelector=f"involvedObject.name={name}")
        return list(found["items"])

    # Sharing requests.

    def wanted(self, charter: Charter) -> Wanted:
        """What the charter wants, as garbage is judged by."""
        return wants(charter, self.names, self._sharing(charter))

    def _sharing(self, charter: Charter) -> dict[str, int]:
        """Copies beside a release's own that share requests, by version."""
        now = routes.weights(charter)
        stable = charter.of(charter.stable)
        if self.routing != "copies" or len(now) < 2 or stable is None:
            return {}
        candidate = next(version for version in now if version != charter.stable)
        share = shared(stable.release.replicas, now[candidate], self.most_copies)
        found = {candidate: share.candidate, stable.release.version: share.more}
        return {version: count for version, count in found.items() if count}

    async def _prepare(self, charter: Charter) -> None:
        """The copies that are to share requests are ready before any request is theirs. They say for which decision
        they are, so that nobody who knows only an earlier one removes them."""
        wanted = self._sharing(charter)
        for version, count in wanted.items():
            placed = charter.of(version)
            assert placed is not None
            await self._deploy(placed.release, count, token(str(charter.stable)), charter.serial)
        for version, count in wanted.items():
            placed = charter.of(version)
            assert placed is not None
            await self._ready(f"{self.names.release(version)}-share", count, placed.release.health.grace + 30)

    async def _ready(self, name: str, count: int, patience: float) -> None:
        deadline = time.monotonic() + patience
        while True:
            here = await self.api.find(f"{self.names.deployments}/{name}")
            if here is None:
                raise Stale(f"{name} was removed by who decided otherwise")
            status = here.get("status", {})
            current = status.get("observedGeneration", 0) >= here["metadata"]["generation"]
            ready = status.get("readyReplicas", 0)
            if current and ready >= count:
                return
            if time.monotonic() > deadline:
                raise Unavailable(f"{ready} of {count} copies of {name} were ready within {patience:g} s")
            await asyncio.sleep(_POLL)

    async def _tell(self, charter: Charter) -> None:
        for attempt in range(_TRIES):
            here = await self.api.find(self.names.service)
            now = await self.charter()
            version = here["metadata"]["resourceVersion"] if here is not None else None
            try:
                await self._tell_service(now, version)
                await self._tell_routes(now)
            except Conflict:
                await asyncio.sleep(0.05 * attempt)
                continue
            await self.tidy()  # copies that shared requests and do not any more would go on taking them
            await self._let_go(now)
            await self._heard(now)
            return
        raise Unavailable(f"the service of {self.target} is changed by others all the time")

    async def _tell_service(self, charter: Charter, version: str | None) -> None:
        placed = charter.of(charter.stable)
        port = _port(placed.release) if placed is not None else 80
        labels = self.names.labels(**{ROLE: "front"})
        kind = self.service_type if self.routing == "copies" else "ClusterIP"
        selector = routes.selector(self.names, charter)
        document = manifests.service(self.names, self.names.stem, selector, port=port, kind=kind, labels=labels)
        if version is not None:
            document["metadata"]["resourceVersion"] = version
        await self.api.apply(self.names.service, document)

    async def _tell_routes(self, charter: Charter) -> None:
        wanted = routes.documents(self.names, charter, self.routing, self.route)
        for path, document in zip(routes.paths(self.names, self.routing), wanted, strict=False):
            await self.api.apply(path, document)

    def _idle(self, charter: Charter) -> dict[str, Document]:
        """Routes share requests, not connections: nothing has to end there."""
        return manifests.idle(charter) if self.routing == "copies" else {}

    async def _let_go(self, charter: Charter) -> None:
        """Kept connections leave the releases that have no requests any more."""
        for version, spec in self._idle(charter).items():
            path = f"{self.names.deployments}/{self.names.release(version)}"
            here = await self.api.find(path)
            if here is not None and not _has_let_go(here, spec):
                await self.api.merge(path, {"spec": spec})

    async def _heard(self, charter: Charter) -> None:
        """The cluster has found the pods that the Service means now, and its nodes have had time to hear of it."""
        if routes.weights(charter):
            selector = ",".join(f"{key}={value}" for key, value in routes.selector(self.names, charter).items())
            deadline = time.monotonic() + _SETTLING
            while True:
                found = await self.api.get(self.names.pods, labelSelector=selector)
                ready = {
                    pod["metadata"]["name"] for pod in pods.newest(found["items"]) if pods.copy(pod, ())[0].healthy
                }
                told = await self.api.find(f"{self.names.endpoints}/{self.names.stem}") or {}
                heard = {a["targetRef"]["name"] for s in told.get("subsets") or () for a in s.get("addresses") or ()}
                if ready == heard:
                    break
                if time.monotonic() > deadline:
                    raise Unavailable(f"the cluster did not tell {self.target}'s service its pods in {_SETTLING:g} s")
                await asyncio.sleep(_POLL)
        await asyncio.sleep(self.propagation)

    async def _agrees(self, charter: Charter, service: Document | None, deployments: list[Document]) -> bool:
        if service is None or service["spec"].get("selector") != routes.selector(self.names, charter):
            return False
        there = {one["metadata"]["name"]: one["spec"]["replicas"] for one in deployments}
        wanted = {f"{self.names.release(version)}-share": n for version, n in self._sharing(charter).items()}
        # More than is wanted may be what another one is preparing.
        if any(there.get(name) != n for name, n in wanted.items()):
            return False
        if not routes.weights(charter):
            return True
        named = {one["metadata"]["name"]: one for one in deployments}
        for version, spec in self._idle(charter).items():
            if (here := named.get(self.names.release(version))) is not None and not _has_let_go(here, spec):
                return False
        for path in routes.paths(self.names, self.routing):
            here = await self.api.find(path)
            if here is None or here["metadata"].get("annotations", {}).get(routes.SHARES) != routes.shares(charter):
                return False
        return True


def _port(release: Release) -> int:
    return release.public_port or 80


def _shares(deployment: Document) -> bool:
    return _label(deployment, TRACK) == "share"


def _decided(deployment: Document) -> int:
    """The serial of the charter that its copies were started for."""
    return int(deployment["metadata"].get("annotations", {}).get(SERIAL, 0))


def _has_let_go(deployment: Document, spec: Document) -> bool:
    told = deployment["spec"]["template"]["metadata"].get("annotations", {}).get(LEFT)
    return bool(told == spec["template"]["metadata"]["annotations"][LEFT])


def _label(document: Document, key: str) -> str:
    return str(document["metadata"].get("labels", {}).get(key, ""))


def _is_of(pod: Document, rid: str, wanted: str) -> bool:
    return _label(pod, POOL) == rid and pod["metadata"].get("annotations", {}).get(DIGEST) == wanted
