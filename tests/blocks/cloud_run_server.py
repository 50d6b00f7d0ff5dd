"""Our HTTP server that stands in for Cloud Run's Admin API v2, Secret Manager and Cloud Logging.

Requests and answers are held to Google's own types. Behind it are real containers; what is Google's own (its front, its
scaling, its permissions) is not here. A `Fault` makes it answer as a service does on a bad day.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from tests.blocks.cloud_run_fault import Fault
from tests.blocks.cloud_run_jobs import StandInJobs
from tests.blocks.cloud_run_secrets import StandInSecrets
from tests.blocks.cloud_run_types import Unknown, read
from tests.blocks.cloud_run_world import Refused, StandInWorld


class StandIn:
    """In a thread of its own, so that clients in this process and in others find it alike."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.asked: list[str] = []
        """`METHOD path`, the oldest first."""
        self.bodies: list[tuple[str, Any]] = []
        self.world = StandInWorld()
        self.jobs, self.secrets = StandInJobs(self.world), StandInSecrets(self.world)
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self.url = ""

    def start(self) -> None:
        self._thread.start()
        assert self._up.wait(30), "the stand-in does not start"

    def stop(self) -> None:
        self.empty()
        self._server.should_exit = True
        self._thread.join(20)
        self.world.containers.client.close()

    def empty(self) -> None:
        """Nothing is left of what was created."""
        self.faults.clear()
        self.asked.clear()
        self.bodies.clear()
        asyncio.run_coroutine_threadsafe(self.world.empty(), self._loop).result(60)
        self.jobs.jobs.clear()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        config = uvicorn.Config(_app(self), host="127.0.0.1", port=0, log_level="critical", lifespan="off")
        self._server = uvicorn.Server(config)
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(self._server.serve())
        while not self._server.started:
            await asyncio.sleep(0.01)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"
        self._up.set()
        await serving

    def fault(self, line: str) -> Fault | None:
        found = next((one for one in self.faults if one.times and one.matching in line), None)
        if found and found.how == "stale after change":
            changing = any(one.startswith("PATCH") for one in self.asked[-6:])
            found = found if changing and re.fullmatch(f"GET v2/{SERVICE}", line) else None
        if found:
            found.times -= 1
        return found

    async def answer(self, line: str, query: dict[str, str], body: Any) -> tuple[str, Any]:
        """The type of the answer, and the answer."""
        self.bodies.append((line, body))
        for pattern, act in ROUTES:
            if found := re.fullmatch(pattern, line):
                kind, said = act(self, found, query, body)
                return kind, await said if asyncio.iscoroutine(said) else said
        raise Refused(404, f"no such method: {line}")


Act = Callable[[StandIn, "re.Match[str]", dict[str, str], Any], tuple[str, Any | Awaitable[Any]]]
PARENT, NAME = "(projects/[^/]+/locations/[^/]+)", "([a-z0-9-]+)"
SERVICE, JOB = f"({PARENT}/services/{NAME})", f"({PARENT}/jobs/{NAME})"
EXECUTION, SECRETS = f"({PARENT}/jobs/{NAME}/executions/{NAME})", "(projects/[^/]+)/secrets"


def _logs(one: StandIn, found: re.Match[str], query: dict[str, str], body: Any) -> tuple[str, Any]:
    asked = read("ListLogEntries", body)
    form = (
        r'resource\.type="cloud_run_(?:job|revision)" AND '
        r'(?:labels\."run\.googleapis\.com/execution_name"|resource\.labels\.revision_name)="([^"]+)"'
    )
    wanted = re.fullmatch(form, asked["filter"])
    if wanted is None or asked["orderBy"] != "timestamp desc":
        raise Refused(400, f"the stand-in does not know this filter: {asked}")
    lines = [{"textPayload": text} for name, text in reversed(one.world.said) if name == wanted[1]]
    return "", {"entries": lines[: asked["pageSize"]]}


def _stored(one: StandIn, found: re.Match[str], query: dict[str, str], body: Any) -> tuple[str, Any]:
    if found[1] not in one.world.operations:
        raise Refused(404, "no such operation")
    return "Operation", one.world.operations[found[1]]


ROUTES: list[tuple[str, Act]] = [
    (
        f"POST v2/{PARENT}/services",
        lambda s, m, q, b: ("Operation", s.world.create(m[1], q["serviceId"], read("Service", b))),
    ),
    (
        f"GET v2/{PARENT}/services",
        lambda s, m, q, b: ("services:Service", [x.shown() for x in s.world.services.values()]),
    ),
    (f"GET v2/{SERVICE}", lambda s, m, q, b: ("Service", s.world.service(m[1]).shown())),
    (f"DELETE v2/{SERVICE}", lambda s, m, q, b: ("Operation", s.world.delete_service(m[1]))),
    (
        f"PATCH v2/{SERVICE}",
        lambda s, m, q, b: ("Operation", s.world.patch(m[1], q["updateMask"].split(","), read("Service", b))),
    ),
    (
        f"GET v2/{SERVICE}/revisions",
        lambda s, m, q, b: ("revisions:Revision", [x.shown() for x in s.world.service(m[1]).revisions.values()]),
    ),
    (f"DELETE v2/({SERVICE}/revisions/{NAME})", lambda s, m, q, b: ("Operation", s.world.delete_revision(m[1]))),
    (r"GET v2/(projects/[^/]+/locations/[^/]+/operations/[a-z0-9-]+)", _stored),
    (f"POST v2/{PARENT}/jobs", lambda s, m, q, b: ("Operation", s.jobs.create(m[1], q["jobId"], read("Job", b)))),
    (f"GET v2/{PARENT}/jobs", lambda s, m, q, b: ("jobs:Job", list(s.jobs.jobs.values()))),
    (f"POST v2/{JOB}:run", lambda s, m, q, b: ("Operation", s.jobs.run((read("RunJob", b), m[1])[1]))),
    (f"DELETE v2/{JOB}", lambda s, m, q, b: ("Operation", s.jobs.delete(m[1]))),
    (f"GET v2/{EXECUTION}", lambda s, m, q, b: ("Execution", s.jobs.execution(m[1]))),
    (
        f"POST v2/{EXECUTION}:cancel",
        lambda s, m, q, b: ("Operation", s.jobs.cancel((read("CancelExecution", b), m[1])[1])),
    ),
    (f"GET v2/{EXECUTION}/tasks", lambda s, m, q, b: ("tasks:Task", s.jobs.tasks(m[1]))),
    (f"POST v1/{SECRETS}", lambda s, m, q, b: ("Secret", s.secrets.create(m[1], q["secretId"], read("Secret", b)))),
    (f"GET v1/{SECRETS}", lambda s, m, q, b: ("secrets:Secret", s.secrets.found(q["filter"]))),
    (f"DELETE v1/{SECRETS}/{NAME}", lambda s, m, q, b: ("", s.secrets.delete(m[2]))),
    (
        f"POST v1/{SECRETS}/{NAME}:addVersion",
        lambda s, m, q, b: ("SecretVersion", s.secrets.add(m[1], m[2], read("AddSecretVersion", b))),
    ),
    (
        f"GET v1/{SECRETS}/{NAME}/versions",
        lambda s, m, q, b: ("versions:SecretVersion", s.secrets.versions(m[1], m[2])),
    ),
    ("POST v2/entries:list", _logs),
]


def _held(kind: str, said: Any) -> Any:
    """The answer, held to Google's type: an assertion of the stand-in about itself."""
    key, _, of = kind.rpartition(":")
    if key:
        return {key: [_held(of, one) for one in said]}
    if kind:
        read(kind, said)
    return said


def _error(code: int, status: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "status": status, "message": message}}, code, headers)


def _app(one: StandIn) -> FastAPI:
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST", "PATCH", "DELETE"])
    async def everything(path: str, request: Request) -> Response:
        line = f"{request.method} {path}"
        one.asked.append(line)
        fault = one.fault(line)
        if fault and fault.status:
            return _error(fault.status, "TOLD", fault.message, fault.headers)
        if fault and fault.how == "hang":
            await asyncio.sleep(30)
        if fault and fault.how == "close":
            return StreamingResponse(_half(), headers={"Content-Length": "1000"})
        if fault and fault.how.startswith("stale"):
            return JSONResponse(one.world.service(path.removeprefix("v2/")).previous)
        try:
            body = await request.json() if await request.body() else None
            kind, said = await one.answer(line, dict(request.query_params), body)
            return JSONResponse(_held(kind, said))
        except Refused as refused:
            return _error(refused.code, refused.status, refused.message)
        except Unknown as unknown:
            return _error(400, "INVALID_ARGUMENT", str(unknown))

    return app


async def _half() -> AsyncIterator[bytes]:
    yield b'{"name": "proj'
    raise ConnectionResetError("told to close")
