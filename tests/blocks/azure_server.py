"""Our own stand-in for Azure: the manager's REST interface, a store of blobs, and tokens of a managed identity.

What it is strict about: bodies are read with Microsoft's model classes, and its own answers are as well; ETags; who may
ask what (the token's audience); lists come in pages, late and without instance views; operations take a while.
What it is not: Azure. Its front is a resolver that shares names' answers by the profile's weights, smoothly.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import docker
import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.responses import StreamingResponse

from tests.blocks import azure_models
from tests.blocks.azure_blobs import Blobs, Said
from tests.blocks.azure_groups import Group, remove_left

ROOT = "/subscriptions/sub-1/resourceGroups/shops"
_GROUP = re.compile(re.escape(ROOT) + r"/providers/Microsoft\.ContainerInstance/containerGroups(?:/([^/]+))?(/.*)?$")
_PROFILE = re.compile(re.escape(ROOT) + r"/providers/Microsoft\.Network/trafficManagerProfiles(?:/([^/]+))?$")
_GATEWAY = re.compile(re.escape(ROOT) + r"/providers/Microsoft\.Network/applicationGateways/([^/]+)$")


@dataclass
class Fault:
    """The next `times` requests that match are answered so. `after` does what was asked first."""

    match: str
    times: int = 1
    status: int = 0
    code: str = "Fault"
    message: str = "as the test wishes"
    headers: dict[str, str] = field(default_factory=dict)
    hang: float = 0.0
    half: bool = False
    stale: bool = False
    after: bool = False


@dataclass
class Server:
    """`asked` counts requests, `faults` are to come, `operations` end when their moment has come."""

    mark: str
    port: int = 0
    blobs: Blobs = field(default_factory=Blobs)
    groups: dict[str, Group] = field(default_factory=dict)
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    gateways: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    operations: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _turns: dict[str, dict[str, float]] = field(default_factory=dict)
    client: Any = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # Answering.

    async def answer(self, request: Request) -> Response:
        # As it was sent: a slash in a name is %2F.
        path, what = request.scope["raw_path"].decode(), f"{request.method} {request.url.path}"
        self.asked[request.method] += 1
        fault = next((one for one in self.faults if one.times > 0 and re.search(one.match, what)), None)
        if fault is not None:
            fault.times -= 1
            if not fault.after and not fault.stale:
                return await self._faulty(fault, Said(200, b"{}"))
        body = await request.body()
        said = self._unknown(path, request) or await self._said(request, path, body, bool(fault and fault.stale))
        if fault is not None and fault.after:
            return await self._faulty(fault, said)
        return Response(said.body, said.status, dict(said.headers))

    async def _faulty(self, fault: Fault, said: Said) -> Response:
        await asyncio.sleep(fault.hang)
        if fault.half:

            async def half() -> AsyncIterator[bytes]:
                yield b'{"val'
                raise ConnectionResetError("as the test wishes")

            return StreamingResponse(half(), 200, {"Content-Length": "1000"})
        if fault.status:
            said = _refused(fault.status, fault.code, fault.message, **fault.headers)
        return Response(said.body, said.status, dict(said.headers))

    def _unknown(self, path: str, request: Request) -> Said | None:
        """Whoever asks without a token for this audience."""
        if path.startswith("/msi/"):
            return None
        audience = "https://storage.azure.com" if path.startswith("/blobs/") else self.url
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.tokens.get(token) != audience:
            return _refused(401, "ExpiredAuthenticationToken", "The access token expiry UTC time is in the past.")
        return None

    async def _said(self, request: Request, path: str, body: bytes, stale: bool) -> Said:
        query, method = dict(request.query_params), request.method
        if path == "/msi/token":
            token = f"token-{next(self._numbers)}"
            self.tokens[token] = query["resource"]
            given = {"access_token": token, "expires_on": str(int(time.time()) + 3600), "resource": query["resource"]}
            return _json({**given, "token_type": "Bearer", "client_id": "me"})
        if path.startswith("/blobs/"):
            headers = {name.lower(): value for name, value in request.headers.items()}
            return self.blobs.answer(method, path.removeprefix("/blobs/"), query, headers, body, stale)
        if path.startswith("/operations/"):
            running = self.operations[path.rpartition("/")[2]]
            return _json({"status": "Succeeded" if running.done() else "InProgress"}, 200, **{"Retry-After": "0"})
        if "api-version" not in query:
            return _refused(400, "MissingApiVersionParameter", "The api-version query parameter is required.")
        given = json.loads(body) if body else {}
        if method == "PUT":
            self.bodies.append(given)
        if found := _GROUP.match(path):
            return await self._group(method, path, found.group(1), found.group(2), query, given)
        if found := _PROFILE.match(path):
            return self._profile(method, path, found.group(1), given)
        if found := _GATEWAY.match(path):
            return await self._gateway(method, found.group(1), request.headers.get("if-match"), given)
        return _refused(404, "ResourceNotFound", f"There is no {path}")

    def _begin(self, work: Any) -> dict[str, str]:
        number = str(next(self._numbers))
        self.operations[number] = asyncio.create_task(work)
        return {"Azure-AsyncOperation": f"{self.url}/operations/{number}", "Retry-After": "0"}

    # Container groups.

    async def _group(
        self, method: str, path: str, name: str | None, more: str | None, query: dict[str, str], body: dict[str, Any]
    ) -> Said:
        if name is None:
            names = sorted(self.groups)
            start = int(query.get("skip", 0))
            shown = [(one, self.groups[one]) for one in names[start : start + 2]]
            page = [await group.view(f"{path}/{one}", short=True) for one, group in shown]
            whole: dict[str, Any] = {"value": page}
            if names[start + 2 :]:
                whole["nextLink"] = f"{self.url}{path}?api-version={query['api-version']}&skip={start + 2}"
            return _json(whole)
        here = self.groups.get(name)
        if method == "PUT":
            return await self._put_group(path, name, here, body)
        if here is None:
            return _refused(404, "ResourceNotFound", f"The Resource '{name}' was not found.")
        if more:
            return _json({"content": await asyncio.to_thread(here.log, int(query.get("tail", 100)))})
        if method == "DELETE":

            async def gone() -> None:
                await here.end()
                self.groups.pop(name, None)

            return Said(202, b"", self._begin(gone()))
        return _checked(azure_models.container_group, await here.view(path))

    async def _put_group(self, path: str, name: str, here: Group | None, body: dict[str, Any]) -> Said:
        wrong = azure_models.container_group(body)
        if not re.fullmatch(r"(?!.*--)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name):
            wrong.append(f"the name {name}")
        if wrong:
            return _refused(400, "InvalidRequestContent", "; ".join(wrong))
        group = Group(self.client, self.mark, name, body)
        if not group.wanted["image"].startswith("late/") and not await asyncio.to_thread(group.pulled):
            return _refused(
                400,
                "InaccessibleImage",
                f"The image '{group.wanted['image']}' in container group '{name}' is not accessible. Please check the "
                "image and registry credential.",
            )
        if here is not None and here.body == body:
            return _checked(azure_models.container_group, await here.view(path))
        if here is not None:
            await here.end()
        self.groups[name] = group
        said = _checked(azure_models.container_group, await group.view(path), 201)
        return Said(said.status, said.body, {**said.headers, **self._begin(group.start())})

    # Fronts.

    def _profile(self, method: str, path: str, name: str | None, body: dict[str, Any]) -> Said:
        if name is None:
            return _json({"value": list(self.profiles.values())})
        if method == "PUT":
            wrong = azure_models.profile(body) + [
                f"the weight of {one['name']}"
                for one in body["properties"]["endpoints"]
                if not 1 <= one["properties"]["weight"] <= 1000
            ]
            if wrong:
                return _refused(400, "BadRequest", "; ".join(wrong))
            config = dict(body["properties"]["dnsConfig"])
            config["fqdn"] = f"{config['relativeName']}.trafficmanager.net"
            properties = {**body["properties"], "dnsConfig": config}
            made = {**body, "id": path, "name": name, "type": "Microsoft.Network/trafficManagerProfiles"}
            self.profiles[name] = {**made, "properties": properties}
        if name not in self.profiles:
            return _refused(404, "ResourceNotFound", f"The Resource '{name}' was not found.")
        if method == "DELETE":
            del self.profiles[name]
            return Said(200)
        return _checked(azure_models.profile, self.profiles[name])

    async def _gateway(self, method: str, name: str, match: str | None, body: dict[str, Any]) -> Said:
        here = self.gateways.get(name)
        if here is None:
            return _refused(404, "ResourceNotFound", f"The Resource '{name}' was not found.")
        if method != "PUT":
            return _checked(azure_models.gateway, here)
        if wrong := azure_models.gateway(body):
            return _refused(400, "InvalidRequestFormat", "; ".join(wrong))
        if match is not None and match != here["etag"]:
            return _refused(412, "PreconditionFailed", "Precondition failed.")
        self.gateways[name] = {**body, "etag": f'W/"{next(self._numbers)}"'}
        return Said(200, json.dumps(self.gateways[name]).encode(), self._begin(asyncio.sleep(0.1)))

    # The public, in place of the name servers of Traffic Manager and of a gateway's processes.

    async def resolve_by_weight_stand_in(self, name: str) -> str:
        """The address that one resolution of a profile's name gives; smooth, so that few of them are shared well."""
        profile = next(
            one for one in self.profiles.values() if one["properties"]["dnsConfig"]["fqdn"] == name.partition(":")[0]
        )
        ends = {one["properties"]["target"]: one["properties"]["weight"] for one in profile["properties"]["endpoints"]}
        return await self._at(self._turn(name, ends))

    async def pool_stand_in(self, gateway: str, pool: str) -> str:
        """The address of the copy that a gateway's pool gives the next request to."""
        found = next(one for one in self.gateways[gateway]["properties"]["backendAddressPools"] if one["name"] == pool)
        entries = found["properties"]["backendAddresses"]
        return await self._at(self._turn(pool, {one.get("fqdn") or one["ipAddress"]: 1 for one in entries}))

    def _turn(self, name: str, weights: dict[str, int]) -> str:
        turns = self._turns.get(name, {})
        turns = {host: turns.get(host, 0.0) + weight for host, weight in weights.items()}
        chosen = max(turns, key=lambda host: turns[host])
        turns[chosen] -= sum(weights.values())
        self._turns[name] = turns
        return chosen

    async def _at(self, host: str) -> str:
        for group in list(self.groups.values()):
            address = (await group.view("", short=True))["properties"].get("ipAddress", {})
            if host in (address.get("fqdn"), address.get("ip")):
                return f"http://{address['ip']}:{address['ports'][0]['port']}"
        raise LookupError(f"{host} leads nowhere")


def _json(body: Any, status: int = 200, **headers: str) -> Said:
    return Said(status, json.dumps(body).encode(), {"Content-Type": "application/json", **headers})


def _refused(status: int, code: str, message: str, **headers: str) -> Said:
    return _json({"error": {"code": code, "message": message}}, status, **headers)


def _checked(check: Callable[[dict[str, Any]], list[str]], body: dict[str, Any], status: int = 200) -> Said:
    """An answer that Microsoft's models can read; else the stand-in is wrong."""
    wrong = check(body)
    assert not wrong, f"the stand-in answers what Azure would not: {wrong}"
    return _json(body, status)


@asynccontextmanager
async def serving(mark: str) -> AsyncIterator[Server]:
    """The stand-in on a port of its own, in this loop; its containers are gone afterwards."""
    remove_left(mark)
    client = docker.from_env()
    server, app = Server(mark, client=client), FastAPI(openapi_url=None)
    app.add_api_route("/{path:path}", server.answer, methods=["GET", "PUT", "POST", "DELETE", "PATCH"])
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off")
    running = uvicorn.Server(config)
    task = asyncio.create_task(running.serve())
    try:
        while not running.started:
            await asyncio.sleep(0.01)
        server.port = running.servers[0].sockets[0].getsockname()[1]
        yield server
    finally:
        running.should_exit = running.force_exit = True
        await task
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*server.operations.values())
        await asyncio.gather(*(group.end() for group in server.groups.values()))
        client.close()
        remove_left(mark)
