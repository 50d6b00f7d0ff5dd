"""What the stand-in for Cloud Run holds: services with etags, revisions that cannot be changed, conditions that follow
what containers really do. Stricter than the real one where that is not known: see the class."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

from tests.blocks.cloud_run_containers import CannotStart, Containers
from tests.blocks.cloud_run_front import StandInFront

OK, FAILED, WAITING = "CONDITION_SUCCEEDED", "CONDITION_FAILED", "CONDITION_RECONCILING"
STATUSES = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ABORTED"}


class Refused(Exception):
    def __init__(self, code: int, message: str, status: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status or STATUSES.get(code, "INTERNAL")


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def condition(kind: str, state: str, **more: str) -> dict[str, Any]:
    return {"type": kind, "state": state, **more}


class Revision:
    """`instances` are containers; none are kept for a revision that has neither traffic nor tag."""

    def __init__(self, name: str, template: dict[str, Any]) -> None:
        self.name, self.template, self.created = name, template, now()
        self.state, self.reason, self.message = WAITING, "", ""
        self.instances: list[Any] = []
        self.front = StandInFront()
        self.uri = ""

    @property
    def least(self) -> int:
        return int(self.template.get("scaling", {}).get("minInstanceCount", 0))

    def shown(self) -> dict[str, Any]:
        ready = condition("Ready", self.state)
        if self.state == FAILED:
            # HEALTH_CHECK_CONTAINER_ERROR is a reason of revisions, the others are everybody's.
            field = "revisionReason" if self.reason.startswith("HEALTH") else "reason"
            ready |= {"message": self.message, field: self.reason}
        rest = {key: value for key, value in self.template.items() if key != "revision"}
        service = self.name.rpartition("/revisions/")[0]
        return {**rest, "name": self.name, "service": service, "createTime": self.created, "conditions": [ready]}


class Service:
    def __init__(self, name: str, spec: dict[str, Any]) -> None:
        self.name, self.spec, self.created = name, spec, now()
        self.revisions: dict[str, Revision] = {}
        self.statuses: list[dict[str, Any]] = []
        self.front, self.uri, self.newest = StandInFront(), "", ""
        self.etag = self.generation = 0
        self.reconciling, self.refusal = False, ""
        self.previous: dict[str, Any] = {}
        """As it was before the last change: what a read that comes late would give."""

    def targets(self) -> set[str]:
        return {one["revision"] for one in self.spec.get("traffic", []) if one.get("percent") or one.get("tag")}

    def shown(self) -> dict[str, Any]:
        newest = self.revisions.get(self.newest)
        state = newest.state if newest else WAITING
        routes = condition("RoutesReady", FAILED if self.refusal else WAITING if self.reconciling else OK)
        if self.refusal:
            routes["message"] = self.refusal
        bad = FAILED in (state, routes["state"])
        ready = condition("Ready", FAILED if bad else WAITING if self.reconciling else OK)
        if bad:
            ready["message"] = self.refusal or (newest.message if newest else "")
        return {
            **self.spec,
            "name": self.name,
            "createTime": self.created,
            "etag": f'"{self.etag}"',
            "generation": str(self.generation),
            "observedGeneration": str(self.generation),
            "reconciling": self.reconciling,
            "uri": self.uri,
            "latestCreatedRevision": f"{self.name}/revisions/{self.newest}",
            "trafficStatuses": self.statuses,
            "terminalCondition": ready,
            "conditions": [routes, condition("ConfigurationsReady", state)],
        }


class StandInWorld:
    """Everything of one project. Where the documentation leaves it open, the stricter way was taken: an etag changes
    when a reconciliation ends, not only when somebody writes; a traffic list with a target that is not ready moves
    nothing; a revision's name that was used once with another template is refused."""

    def __init__(self) -> None:
        self.containers = Containers(uuid.uuid4().hex)
        self.services: dict[str, Service] = {}
        self.operations: dict[str, dict[str, Any]] = {}
        self.secrets: dict[str, dict[str, Any]] = {}
        self.values: dict[str, list[bytes]] = {}
        self.said: list[tuple[str, str]] = []
        """(revision or execution, text), the oldest first."""
        self._tasks: set[asyncio.Task[Any]] = set()

    def background(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def operation(self, parent: str, metadata: dict[str, Any], kind: str) -> dict[str, Any]:
        name = f"{parent}/operations/{uuid.uuid4()}"
        self.operations[name] = {"name": name, "done": False, "metadata": {"@type": _any(kind), **metadata}}
        return self.operations[name]

    def finish(self, operation: dict[str, Any], kind: str, shown: dict[str, Any], error: str = "") -> None:
        operation["done"] = True
        if error:
            operation["error"] = {"code": 9, "message": error}
        else:
            operation["response"] = {"@type": _any(kind), **shown}

    def service(self, name: str) -> Service:
        if name not in self.services:
            raise Refused(404, f"Resource '{name.rpartition('/')[2]}' of kind 'SERVICE' does not exist.")
        return self.services[name]

    def create(self, parent: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        full = f"{parent}/services/{name}"
        if full in self.services:
            raise Refused(409, f"Resource '{name}' already exists.", "ALREADY_EXISTS")
        service = self.services[full] = Service(full, {})
        return self._changed(service, body, parent)

    def patch(self, name: str, mask: list[str], body: dict[str, Any]) -> dict[str, Any]:
        service = self.service(name)
        if body.get("etag") and body["etag"] != f'"{service.etag}"':
            raise Refused(409, f"Conflict for resource '{name}': version {body['etag']} is not {service.etag}.")
        changes = {key: body[key] for key in mask if key in body}
        return self._changed(service, changes, name.rpartition("/services/")[0])

    def _changed(self, service: Service, changes: dict[str, Any], parent: str) -> dict[str, Any]:
        spec = {**service.spec, **changes}
        named = spec["template"]["revision"]
        shares = spec.get("traffic", [])
        if sum(int(one.get("percent", 0)) for one in shares) != 100:
            raise Refused(400, "traffic: the percentages must be 100 in all")
        known = service.revisions.get(named)
        if known is not None and known.template != spec["template"]:
            raise Refused(409, f"Revision named '{named}' with different configuration already exists.")
        for one in shares:
            if one["revision"] not in service.revisions and one["revision"] != named:
                raise Refused(400, f"traffic: Revision '{one['revision']}' is not found.")
        service.previous = service.shown() if service.spec else {}
        service.spec = spec
        service.etag += 1
        operation = self.operation(parent, {"name": service.name}, "Service")
        if not changes.keys() & {"template", "traffic"}:
            self.finish(operation, "Service", service.shown())
            return operation
        service.generation += 1
        service.reconciling, service.refusal = True, ""
        if known is None:
            service.revisions[named] = Revision(f"{service.name}/revisions/{named}", spec["template"])
            service.newest = named
            self.background(self._begin(service, service.revisions[named]))
        self.background(self._reconcile(service, service.generation, operation))
        return operation

    async def _begin(self, service: Service, revision: Revision) -> None:
        """Cloud Run starts a new revision once, asked or not, to see whether it comes up."""
        revision.uri = await revision.front.open()
        try:
            await self._run(revision)
            revision.state = OK
        except CannotStart as error:
            revision.reason, revision.message, revision.state = error.reason, error.message, FAILED
            await self._stop(revision)

    async def _run(self, revision: Revision) -> None:
        container = revision.template["containers"][0]
        await self.containers.image(container["image"])
        short = revision.name.rpartition("/")[2]
        told = self.environment(container)
        while len(revision.instances) < revision.least:
            port = container["ports"][0]["containerPort"]
            set_here = {"PORT": str(port), "K_REVISION": short}
            instance = await self.containers.start(container, told, set_here, port)
            revision.instances.append(instance)
            why = await self.containers.healthy(
                instance, container["startupProbe"], lambda text: self.said.append((short, text))
            )
            if why:
                raise CannotStart("HEALTH_CHECK_CONTAINER_ERROR", why)
        revision.front.share({self.containers.port(one): 1 for one in revision.instances})

    def environment(self, container: dict[str, Any]) -> dict[str, str]:
        told = {}
        for one in container.get("env", []):
            if one["name"] == "PORT":
                raise CannotStart("INTERNAL", "PORT is reserved")
            reference = one.get("valueSource", {}).get("secretKeyRef")
            if reference:
                versions = self.values.get(reference["secret"], [])
                if not versions or not 0 < int(reference["version"]) <= len(versions):
                    raise CannotStart("SECRETS_ACCESS_CHECK_FAILED", f"secret {reference['secret']} was not found")
                told[one["name"]] = versions[int(reference["version"]) - 1].decode()
            else:
                told[one["name"]] = one.get("value", "")
        return told

    async def _stop(self, revision: Revision) -> None:
        revision.front.share({})
        instances, revision.instances = revision.instances, []
        await asyncio.gather(*(self.containers.remove(one, 2) for one in instances))

    async def _reconcile(self, service: Service, generation: int, operation: dict[str, Any]) -> None:
        """Until what was asked for is there, or cannot be, or something else was asked for."""
        while service.generation == generation and service.name in self.services:
            wanted = service.targets() | {service.newest}
            states = {name: service.revisions[name].state for name in wanted if name in service.revisions}
            if FAILED in states.values():
                bad = sorted(name for name, state in states.items() if state == FAILED)
                if set(bad) & service.targets():
                    service.refusal = f"Revision '{bad[0]}' is not ready and cannot serve traffic."
                    break
            if all(states[name] == OK for name in service.targets()):
                await self._route(service)
                if states[service.newest] != WAITING:
                    break
            await asyncio.sleep(0.05)
        if service.generation == generation:
            service.reconciling = False
            service.etag += 1
            await self._route(service) if not service.refusal else None
        ready = service.shown()["terminalCondition"]
        self.finish(operation, "Service", service.shown(), ready.get("message", "") if ready["state"] == FAILED else "")

    async def _route(self, service: Service) -> None:
        if not service.uri:
            service.uri = await service.front.open()
        backends: dict[int, int] = {}
        statuses = []
        for one in service.spec["traffic"]:
            revision = service.revisions[one["revision"]]
            if not revision.instances and revision.least:
                await self._run(revision)
            for instance in revision.instances:
                if one.get("percent"):
                    # Times the others' number, so that each revision has its part whatever its number of instances.
                    backends[self.containers.port(instance)] = one["percent"] * 60 // len(revision.instances)
            statuses.append({**one, **({"uri": revision.uri} if one.get("tag") else {})})
        service.statuses = statuses
        service.front.share(backends)
        for name, revision in service.revisions.items():
            idle = name not in service.targets() and revision.state != WAITING
            if idle and revision.instances:
                self.background(self._stop(revision))

    async def delete_revision(self, name: str) -> dict[str, Any]:
        parent, _, short = name.rpartition("/revisions/")
        service = self.service(parent)
        if short not in service.revisions:
            raise Refused(404, f"Revision '{short}' does not exist.")
        if short == service.newest or short in service.targets():
            raise Refused(
                400, f"Revision '{short}' cannot be deleted: it serves or is the latest.", "FAILED_PRECONDITION"
            )
        revision = service.revisions.pop(short)
        revision.front.close()
        operation = self.operation(parent.rpartition("/services/")[0], {"name": name}, "Revision")
        self.finish(operation, "Revision", revision.shown())
        self.background(self._stop(revision))
        return operation

    async def delete_service(self, name: str) -> dict[str, Any]:
        service = self.service(name)
        del self.services[name]
        service.front.close()
        for revision in service.revisions.values():
            revision.front.close()
            self.background(self._stop(revision))
        operation = self.operation(name.rpartition("/services/")[0], {"name": name}, "Service")
        self.finish(operation, "Service", service.shown())
        return operation

    async def empty(self) -> None:
        for name in list(self.services):
            await self.delete_service(name)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.containers.remove_all()
        for kept in (self.operations, self.secrets, self.values, self.said):
            kept.clear()


def _any(kind: str) -> str:
    return f"type.googleapis.com/google.cloud.run.v2.{kind}"
