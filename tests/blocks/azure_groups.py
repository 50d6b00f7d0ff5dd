"""Container groups on Docker: each a real container, seen as Azure's instance view shows one.

Not done as Azure does it: liveness probes (nothing is ended by one), CPU limits, private networks, the time of a pull.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import docker
import httpx
from docker.errors import APIError, ImageNotFound, NotFound

LABEL = "tes-azure-server"


class Group:
    """One. `body` is what was asked for."""

    def __init__(self, client: Any, mark: str, name: str, body: dict[str, Any]) -> None:
        self.client, self.mark, self.name, self.body = client, mark, name, body
        self.container: Any = None
        self.events: list[dict[str, Any]] = []
        self.made, self.asked = "Pending", 0.0
        self._one = asyncio.Lock()  # one that is ended while it is being made would be left behind

    @property
    def wanted(self) -> dict[str, Any]:
        return dict(self.body["properties"]["containers"][0]["properties"])

    def pulled(self) -> bool:
        try:
            return self.client.images.get(self.wanted["image"]) is not None
        except ImageNotFound:
            return False

    async def start(self) -> None:
        self.made = "Creating"
        if not await asyncio.to_thread(self.pulled):
            self.event("Failed", f'Failed to pull image "{self.wanted["image"]}": not found', "Warning")
        else:
            async with self._one:
                await asyncio.to_thread(self._start)
        self.made = "Succeeded"

    def _start(self) -> None:
        environment = {
            one["name"]: one.get("secureValue", one.get("value")) for one in self.wanted["environmentVariables"]
        }
        again = self.body["properties"].get("restartPolicy", "Always") == "Always"
        memory = self.wanted["resources"]["limits"]["memoryInGB"]
        self.container = self.client.containers.create(
            self.wanted["image"],
            command=self.wanted.get("command"),
            environment=environment,
            labels={LABEL: self.mark},
            restart_policy={"Name": "always"} if again else None,
            mem_limit=f"{int(memory * 1024)}m",
            init=True,
        )
        try:
            self.container.start()
        except APIError as error:
            self.event("Failed", f"Error: {error.explanation}", "Warning")

    async def end(self) -> None:
        async with self._one:
            await asyncio.to_thread(self._end)

    def _end(self) -> None:
        if self.container is not None:
            try:
                self.container.stop(timeout=2)
                self.container.remove(force=True)
            except NotFound:
                return

    def log(self, lines: int) -> str:
        return "" if self.container is None else self.container.logs(tail=lines).decode("utf-8", "replace")

    def event(self, name: str, message: str, kind: str = "Normal") -> None:
        now = written(time.time())
        for one in self.events:
            if (one["name"], one["message"]) == (name, message):
                one["count"], one["lastTimestamp"] = one["count"] + 1, now
                return
        self.events.append(
            {"count": 1, "firstTimestamp": now, "lastTimestamp": now, "name": name, "message": message, "type": kind}
        )

    async def view(self, path: str, *, short: bool = False) -> dict[str, Any]:
        """As GET shows it; a list (`short`) has no instance view. Secret values are never shown."""
        state = await asyncio.to_thread(self._state)
        await self._probe(state)
        given = self.body["properties"]
        container = dict(self.wanted)
        container["environmentVariables"] = [
            {"name": one["name"]} if "secureValue" in one else one for one in container["environmentVariables"]
        ]
        properties = {**given, "provisioningState": self.made}
        if not short:
            container["instanceView"] = _container_view(state, self.events)
            ended = state.get("Status") == "exited" and given.get("restartPolicy") == "Never"
            shown = "Succeeded" if ended else "Running" if state.get("Status") == "running" else "Pending"
            properties["instanceView"] = {"events": [], "state": shown}
        properties["containers"] = [{"name": given["containers"][0]["name"], "properties": container}]
        if "ipAddress" in given and state.get("Ip"):
            properties["ipAddress"] = {**given["ipAddress"], "ip": state["Ip"]}
            label = given["ipAddress"].get("dnsNameLabel")
            if label:
                properties["ipAddress"]["fqdn"] = f"{label}.a1b2c3.westeurope.azurecontainer.io"
        return {
            **{key: self.body[key] for key in ("location", "tags") if key in self.body},
            "id": path,
            "name": self.name,
            "type": "Microsoft.ContainerInstance/containerGroups",
            "properties": properties,
        }

    def _state(self) -> dict[str, Any]:
        if self.container is None:
            return {}
        try:
            self.container.reload()
        except NotFound:
            return {}
        found = self.container.attrs
        return {
            **found["State"],
            "Restarts": found.get("RestartCount", 0),
            "Ip": found["NetworkSettings"]["IPAddress"] or found["NetworkSettings"]["Networks"]["bridge"]["IPAddress"],
        }

    async def _probe(self, state: dict[str, Any]) -> None:
        """The readiness probe, now, when its period is over: there is an event when it fails, and none otherwise."""
        probe = self.wanted.get("readinessProbe")
        if probe is None or state.get("Status") != "running" or time.time() - self.asked < probe["periodSeconds"]:
            return
        self.asked, asked = time.time(), probe["httpGet"]
        try:
            async with httpx.AsyncClient(timeout=probe["timeoutSeconds"], trust_env=False) as client:
                status = (await client.get(f"http://{state['Ip']}:{asked['port']}{asked['path']}")).status_code
        except httpx.TransportError as error:
            return self.event("Unhealthy", f"Readiness probe failed: {error}", "Warning")
        if not 200 <= status < 400:
            self.event("Unhealthy", f"Readiness probe failed: HTTP probe failed with statuscode: {status}", "Warning")


def _container_view(state: dict[str, Any], events: list[dict[str, Any]]) -> dict[str, Any]:
    status = state.get("Status", "waiting")
    detail = "OOMKilled" if state.get("OOMKilled") else "Error" if state.get("ExitCode") else "Completed"
    over = {"state": "Terminated", "exitCode": state.get("ExitCode", 0), "detailStatus": detail}
    if not state:
        broken = any(one["name"] == "Failed" for one in events)
        detail = "ErrImagePull" if broken else ""
        return {"restartCount": 0, "currentState": {"state": "Waiting", "detailStatus": detail}, "events": events}
    view: dict[str, Any] = {"restartCount": state["Restarts"], "events": events}
    if status == "running":
        view["currentState"] = {"state": "Running", "startTime": state["StartedAt"], "detailStatus": ""}
        if state["Restarts"]:
            view["previousState"] = {**over, "exitCode": state["ExitCode"] or 1}
    elif status == "restarting":
        view["currentState"] = {"state": "Waiting", "detailStatus": "CrashLoopBackOff: Back-off restarting failed"}
        view["previousState"] = over
    elif status == "created":
        view["currentState"] = {"state": "Waiting", "detailStatus": ""}
    else:
        view["currentState"] = over
    return view


def written(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")


def remove_left(mark: str) -> None:
    """Containers of a server that was killed."""
    client = docker.from_env()
    try:
        for one in client.containers.list(all=True, filters={"label": f"{LABEL}={mark}"}):
            one.remove(force=True)
    finally:
        client.close()
