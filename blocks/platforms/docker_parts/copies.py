"""A release's copies: one container each, at the address of its seat."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, NamedTuple

from blocks.platforms.docker_parts import proxy
from blocks.platforms.docker_parts.engine import Engine
from blocks.platforms.docker_parts.names import LABEL, Names, digest
from domain.charter import Placed
from domain.errors import Rejected
from domain.place import Job, JobResult, Release

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

TIMED_OUT = 124
_LOG: dict[str, Any] = {"type": "json-file", "config": {"max-size": "10m", "max-file": "3"}}
_STOP = 10  # seconds between SIGTERM and SIGKILL
_LOOPS = 3  # restarts after which a copy is not expected to come up any more
_OUTPUT = 100_000  # bytes of a job's output that are kept


class Seen(NamedTuple):
    """One container as the engine sees it. `trouble` says why it will not become healthy; empty while it may.
    `port` is where this copy alone answers, on the engine's machine; 0 while it does not run."""

    seat: int
    name: str
    version: str
    digest: str
    drain: float
    running: bool
    pid: int | None
    restarts: int
    trouble: str
    port: int


class Copies:
    """Of one target."""

    def __init__(self, engine: Engine, names: Names, bind: str, credentials: Mapping[str, str], pull: str) -> None:
        self.engine, self.names, self.bind, self.credentials, self.pull = engine, names, bind, credentials, pull

    async def start(self, placed: Placed, network: IPv4Network, secrets: Mapping[str, str]) -> None:
        """Every seat of the release has a container that runs or is starting. One that has ended is put back."""
        image = await self.image(placed.release)
        there = {one.seat: one for one in await self.seen()}
        wanted = digest(placed.release)
        for seat in placed.seats:
            here = there.get(seat)
            if here is not None and here.digest == wanted and here.running:
                continue
            await self.engine.do(partial(self._start, image, placed.release, seat, network, secrets))

    def _start(
        self,
        image: str,
        release: Release,
        seat: int,
        network: IPv4Network,
        secrets: Mapping[str, str],
        client: DockerClient,
    ) -> None:
        name = self.names.copy(seat)
        for old in client.containers.list(all=True, filters={"name": f"^/?{name}$"}):
            old.remove(force=True)
        address = str(proxy.address(network, seat))
        client.containers.create(
            image,
            name=name,
            labels=self.names.copy_labels(release, seat),
            network=self.names.network,
            networking_config={self.names.network: client.api.create_endpoint_config(ipv4_address=address)},
            ports={f"{release.port or proxy.PORT}/tcp": (self.bind, None)},  # for whoever verifies this copy alone
            restart_policy={"Name": "unless-stopped"},
            **_settings(release, release.command, secrets),
        )
        client.containers.get(name).start()

    async def image(self, release: Release) -> str:
        """The release's image on the engine, by its id: pulled where it is not there, or always, or never, as the block
        says. One that is there under the artifact's own digest is that, whatever its name means by now."""
        reference, digest = release.artifact.location, release.artifact.digest

        def work(client: DockerClient) -> str:
            from docker.errors import ImageNotFound

            with contextlib.suppress(ImageNotFound):
                return str(client.images.get(digest).id)
            if self.pull != "always":
                try:
                    return str(client.images.get(reference).id)
                except ImageNotFound as error:
                    if self.pull == "never":
                        raise Rejected(
                            f"the image {reference} is not on the engine, and the block's pull is never",
                            fix="build it there, or set pull: missing",
                        ) from error
            return str(client.images.pull(reference, auth_config=dict(self.credentials) or None).id)

        return await self.engine.do(work)

    async def seen(self) -> list[Seen]:
        """Every copy of the target, wanted or not."""
        filters = {"label": self.names.filters("copy")}
        found = await self.engine.do(
            lambda client: client.containers.list(all=True, filters=filters, ignore_removed=True)
        )
        return [_seen(container) for container in found]

    async def remove(self, seats: Iterable[int]) -> None:
        """Their containers are told to stop, then gone."""
        await asyncio.gather(*(self.engine.do(partial(self._remove, seat)) for seat in seats))

    def _remove(self, seat: int, client: DockerClient) -> None:
        from docker.errors import NotFound

        try:
            container = client.containers.get(self.names.copy(seat))
            container.stop(timeout=_STOP)
            container.remove(force=True)
        except NotFound:
            return

    async def run(self, release: Release, job: Job, secrets: Mapping[str, str]) -> JobResult:
        """A container that runs the job and is gone afterwards; exit code 124 when its time was over."""
        image = await self.image(release)
        began = time.monotonic()

        def start(client: DockerClient) -> Container:
            container = client.containers.create(
                image,
                labels=self.names.labels("job"),
                network=self.names.network,
                **_settings(release, job.command, secrets),
            )
            container.start()
            return container

        container = await self.engine.do(start)
        try:
            code = await self._ended(container, began + job.timeout)
            output = await self.engine.do(lambda client: container.logs(tail=2000))
        finally:
            await self.engine.do(lambda client: container.remove(force=True))
        return JobResult(
            exit_code=code, output=output[-_OUTPUT:].decode("utf-8", "replace"), seconds=time.monotonic() - began
        )

    async def _ended(self, container: Container, deadline: float) -> int:
        while time.monotonic() < deadline:
            await self.engine.do(lambda client: container.reload())
            if container.status in ("exited", "dead"):
                return int(container.attrs["State"]["ExitCode"])
            await asyncio.sleep(0.1)
        return TIMED_OUT


def _told(release: Release) -> dict[str, str]:
    return {"TES_SERVICE": release.service, "TES_VERSION": release.version, "PYTHONUNBUFFERED": "1"}


def _settings(release: Release, command: Sequence[str], secrets: Mapping[str, str]) -> dict[str, Any]:
    port = str(release.port or proxy.PORT)
    settings: dict[str, Any] = {
        "command": [word.replace("${PORT}", port) for word in command] or None,
        "environment": {**_told(release), **release.environment, **secrets, "PORT": port},
        "log_config": _LOG,
        "init": True,
        "security_opt": ["no-new-privileges"],
    }
    if release.resources.memory_mb:
        settings["mem_limit"] = f"{release.resources.memory_mb}m"
    if release.resources.cpus:
        settings["nano_cpus"] = int(release.resources.cpus * 1e9)
    return settings


def _seen(container: Container) -> Seen:
    labels, state = container.labels, container.attrs["State"]
    restarts = int(container.attrs.get("RestartCount", 0))
    running = state["Status"] in ("running", "created", "restarting")
    trouble = ""
    if state.get("OOMKilled"):
        trouble = "it was killed for want of memory: raise release.resources.memory_mb"
    elif restarts >= _LOOPS:
        trouble = f"it keeps ending with exit code {_exit_code(container)}: {_last_words(container)}"
    elif not running:
        trouble = f"it ended with exit code {state['ExitCode']}: {_last_words(container)}"
    return Seen(
        seat=int(labels[f"{LABEL}.seat"]),
        name=str(container.name),
        version=labels[f"{LABEL}.version"],
        digest=labels.get(f"{LABEL}.release", ""),
        drain=float(labels.get(f"{LABEL}.drain", 0)),
        running=running,
        pid=state.get("Pid") or None,
        restarts=restarts,
        trouble=trouble,
        port=next((int(one[0]["HostPort"]) for one in container.ports.values() if one), 0),
    )


def _exit_code(container: Container) -> int | str:
    """The last one. A container that is running anew says 0 for want of one: then the engine's events tell."""
    state = container.attrs["State"]
    if state["Status"] != "running":
        return int(state["ExitCode"])
    now = time.time()
    died = container.client.events(
        since=now - 600, until=now, decode=True, filters={"container": container.id, "event": "die"}
    )
    codes = [str(one["Actor"]["Attributes"].get("exitCode", "unknown")) for one in died]
    return codes[-1] if codes else "unknown"


def _last_words(container: Container) -> str:
    return container.logs(tail=5).decode("utf-8", "replace").strip()[-300:] or "it said nothing"
