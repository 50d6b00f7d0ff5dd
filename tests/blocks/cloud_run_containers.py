"""Real containers for the stand-in of Cloud Run: instances of revisions, tasks of jobs."""

from __future__ import annotations

import asyncio
import contextlib
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

LABEL = "io.test-execution-system.cloud-run-stand-in"


class CannotStart(Exception):
    """`reason` is one of the API's."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


class Containers:
    """All that one stand-in has started; `mark` finds them again."""

    def __init__(self, mark: str) -> None:
        self.mark, self.client = mark, docker.from_env()

    async def image(self, name: str) -> None:
        """Found, or CannotStart."""
        try:
            await asyncio.to_thread(self.client.images.get, name)
        except ImageNotFound as error:
            raise CannotStart("CONTAINER_MISSING", f"Image '{name}' not found.") from error

    async def start(
        self, container: Mapping[str, Any], environment: Mapping[str, str], told: Mapping[str, str], port: int | None
    ) -> Any:
        """One, running; `args` takes the place of the image's CMD, as Cloud Run has it."""
        await self.image(container["image"])
        limits = container.get("resources", {}).get("limits", {})

        def work() -> Any:
            made = self.client.containers.create(
                container["image"],
                command=container.get("args"),
                environment={**environment, **told},
                labels={LABEL: self.mark},
                mem_limit=limits.get("memory", "512Mi").replace("Mi", "m").replace("Gi", "g"),
                ports={f"{port}/tcp": ("127.0.0.1", None)} if port else {},
                init=True,
            )
            made.start()
            made.reload()
            return made

        try:
            return await asyncio.to_thread(work)
        except DockerException as error:
            raise CannotStart("INTERNAL", f"the stand-in's engine says: {error}") from error

    @staticmethod
    def port(container: Any) -> int:
        """Where it answers on this machine; 0 for one that has ended."""
        return next((int(one[0]["HostPort"]) for one in container.ports.values() if one), 0)

    async def healthy(self, container: Any, probe: Mapping[str, Any], say: Any) -> str:
        """Empty once it answers below 400; why not, after the probe's whole time or when it has ended. Asked more
        often than the real one does, which counts whole seconds."""
        port, path = self.port(container), probe["httpGet"]["path"]
        deadline = time.monotonic() + probe["periodSeconds"] * probe["failureThreshold"]
        last = "no answer"
        while time.monotonic() < deadline:
            last = await asyncio.to_thread(_asked, f"http://127.0.0.1:{port}{path}", probe["timeoutSeconds"])
            if last == "":
                return ""
            await asyncio.to_thread(container.reload)
            if container.status in ("exited", "dead"):
                code = container.attrs["State"]["ExitCode"]
                say(await self.output(container))
                say(f"Container called exit({code}).")
                return "The user-provided container failed to start and listen on the port defined by PORT"
            await asyncio.sleep(0.1)
        say(await self.output(container))
        say(f'STARTUP HTTP probe failed {probe["failureThreshold"]} times for path "{path}": {last}.')
        return "The user-provided container failed the configured startup probe checks."

    async def output(self, container: Any) -> str:
        with contextlib.suppress(NotFound):
            return str((await asyncio.to_thread(container.logs, tail=200)).decode("utf-8", "replace"))
        return ""

    async def remove(self, container: Any, grace: int) -> None:
        """SIGTERM, `grace` seconds, gone."""

        def work() -> None:
            with contextlib.suppress(NotFound):
                if grace:
                    container.stop(timeout=grace)
                try:
                    container.remove(force=True)
                except APIError as error:
                    if error.status_code != 409:  # somebody is removing it already
                        raise

        await asyncio.to_thread(work)

    async def remove_all(self) -> None:
        found = await asyncio.to_thread(
            self.client.containers.list, all=True, ignore_removed=True, filters={"label": f"{LABEL}={self.mark}"}
        )
        await asyncio.gather(*(self.remove(one, 0) for one in found))


def _asked(url: str, timeout: float) -> str:
    try:
        with urllib.request.urlopen(url, timeout=timeout):
            return ""
    except urllib.error.HTTPError as error:
        return f"HTTP status {error.code}"
    except OSError as error:
        return f"no answer ({error})"
