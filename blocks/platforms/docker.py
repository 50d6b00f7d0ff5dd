"""The platform `docker`: services run as containers of one Docker engine, behind a proxy that is told while it runs.

There is no agent. What an environment is to be (`domain/charter.py`) lies in the proxy's configuration. Each verb reads
it, decides, and swaps it for the next one in a single step inside the proxy's container. What was decided and not done,
because a client was killed, is done by whoever looks next.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from prefect.blocks.core import Block
from pydantic import Field, PrivateAttr, SecretStr

from blocks.platforms.docker_parts import access_log, proxy
from blocks.platforms.docker_parts.copies import Copies
from blocks.platforms.docker_parts.copies import Seen as CopySeen
from blocks.platforms.docker_parts.engine import Engine
from blocks.platforms.docker_parts.front import Front, Seen, Stale
from blocks.platforms.docker_parts.names import LABEL, Names
from blocks.platforms.secret_references import resolve
from domain.charter import Charter, Placed
from domain.errors import CapabilityError, Unavailable
from domain.place import (
    Capability,
    CopyState,
    Job,
    JobResult,
    Lease,
    Release,
    ReleaseState,
    ServiceState,
    Target,
    Traffic,
)
from settings import settings

_POLL = 0.1  # seconds between two looks at readiness
_TRIES = 20  # how often a change is decided anew because another has come before


class DockerPlatform(Block):
    """Runs services as containers of a Docker engine, behind HAProxy.

    Example:
        ```python
        from blocks.platforms.docker import DockerPlatform

        platform = DockerPlatform.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "Docker Platform"
    _block_type_slug = "docker-platform"
    _documentation_url = (
        "https://github.com/test-execution-system/test-execution-system/"  # type: ignore[assignment]
        "blob/main/docs/reference/docker-platform.md"
    )

    capabilities: ClassVar[frozenset[Capability]] = frozenset(Capability)
    artifact_kinds: ClassVar[tuple[str, ...]] = ("image",)

    engine: str | None = Field(
        default=None,
        description="The engine's address: unix://, tcp:// with `tls_folder`, ssh://user@host. As `docker` finds it "
        "(DOCKER_HOST) when it is not set.",
    )
    tls_folder: Path | None = Field(default=None, description="Folder with ca.pem, cert.pem and key.pem, for tcp://.")
    installation: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][a-z0-9-]{0,15}$",
        description="Begins every name on the engine. Installations that share an engine see nothing of each other. "
        "TES_DOCKER_INSTALLATION, or tes, when it is not set.",
    )
    bind: str = Field(default="127.0.0.1", description="Address on the engine's machine that services are opened on.")
    proxy_image: str | None = Field(
        default=None,
        description="An image with haproxy 2.6 or newer, bash and flock: HAProxy's own has them. "
        "TES_DOCKER_PROXY_IMAGE, or haproxy:2.8, when it is not set.",
    )
    pull: Literal["missing", "always", "never"] = Field(default="missing", description="When images are pulled.")
    registry_username: str | None = Field(default=None, description="For pulling from a registry.")
    registry_password: SecretStr | None = Field(default=None, description="For pulling from a registry.")

    _kept: Engine | None = PrivateAttr(default=None)  # one connection for all verbs

    async def acquire(self, target: Target, holder: str, ttl: float) -> Lease:
        """As HostsServices.acquire. The first one begins the target: its network, its proxy, its notebook."""
        front = self._front(target)
        await front.begin()
        charter = await self._change(front, lambda seen: seen.charter.acquired(holder, ttl, time.time()))
        assert charter.lease is not None
        return charter.lease

    async def give_back(self, lease: Lease) -> None:
        """As HostsServices.give_back."""
        front = self._front(lease.target)
        if await front.there():
            await self._change(front, lambda seen: seen.charter.given_back(lease))

    async def inspect(self, target: Target) -> ServiceState:
        """As HostsServices.inspect. What the charter no longer wants, because its time is over, goes now."""
        front = self._front(target)
        if not await front.there():
            return ServiceState(target=target)
        seen = await front.read()
        if seen.charter.cooled(time.time()) is not seen.charter:
            await self._change(front, lambda seen: seen.charter.cooled(time.time()))
            await self._tidy(front)
            seen = await front.read()
        copies = {copy.seat: copy for copy in await self._copies(front).seen()}
        charter, now = seen.charter, time.time()
        lease = charter.lease if charter.lease is not None and charter.lease.expires > now else None
        return ServiceState(
            target=target,
            stable=charter.stable,
            releases=tuple(_state(one, seen, copies, front, self._host(), now) for one in charter.releases),
            address=f"http://{self._host()}:{await front.port()}" if charter.stable else "",
            lease=lease,
            token=charter.token,
        )

    async def targets(self) -> Sequence[Target]:
        """Every target that this engine holds."""
        filters = {"label": [f"{LABEL}.role=front", f"{LABEL}.installation={self._installation()}"]}
        found = await self._engine().do(lambda client: client.containers.list(all=True, filters=filters))
        labels = [container.labels for container in found]
        named = [Target(service=one[f"{LABEL}.service"], environment=one[f"{LABEL}.environment"]) for one in labels]
        return sorted(named, key=str)

    async def provision(self, lease: Lease, release: Release) -> None:
        """As HostsServices.provision. SpecError when a secret is missing, CapabilityError for a bundle."""
        self._must_be_image(release)
        secrets = await resolve(release.secrets, "release.secrets")
        front = self._front(lease.target)
        copies = self._copies(front)
        await front.begin(release.public_port)
        (await front.read()).charter.fenced(lease)
        if release.public_port is not None:
            await front.open_at(release.public_port)
        await copies.image(release)
        charter = await self._change(
            front, lambda seen: seen.charter.fenced(lease).provisioned(release, proxy.SEATS, time.time())
        )
        placed = charter.of(release.version)
        assert placed is not None
        await copies.start(placed, await front.network(), secrets)
        await self._tidy(front)

    async def wait_ready(self, target: Target, version: str, timeout: float) -> tuple[bool, str]:
        """As HostsServices.wait_ready."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                state = (await self.inspect(target)).of(version)
            except Unavailable as error:
                if time.monotonic() >= deadline:
                    return False, f"not ready within {timeout:g} s: {error.message}"
                await asyncio.sleep(_POLL)
                continue
            if state is None:
                return False, f"release {version} of {target} is not there"
            healthy = sum(copy.healthy for copy in state.copies)
            count = f"{healthy} of {state.release.replicas} copies healthy"
            if state.ready:
                return True, count
            if state.failed:
                return False, f"{count}: {state.reason}"
            if time.monotonic() >= deadline:
                return False, f"not ready within {timeout:g} s: {count}: {state.reason}"
            await asyncio.sleep(_POLL)

    async def shift(self, lease: Lease, version: str, weight: int) -> None:
        """As SplitsTraffic.shift."""
        front = self._front(lease.target)
        await self._change(front, lambda seen: seen.charter.fenced(lease).shifted(version, weight, _ready(seen)))

    async def promote(self, lease: Lease, version: str) -> None:
        """As HostsServices.promote."""
        front = self._front(lease.target)
        await self._change(front, lambda seen: seen.charter.fenced(lease).promoted(version, _ready(seen), time.time()))

    async def abort(self, lease: Lease, stable: str | None) -> None:
        """As HostsServices.abort. Traffic is back before the candidate is drained and this returns."""
        front = self._front(lease.target)
        await self._change(front, lambda seen: seen.charter.fenced(lease).aborted(stable, _alive(seen), time.time()))
        await self._tidy(front)

    async def retire(self, lease: Lease, version: str) -> None:
        """As HostsServices.retire."""
        front = self._front(lease.target)
        await self._change(front, lambda seen: seen.charter.fenced(lease).retired(version))
        await self._tidy(front)

    async def remember(self, lease: Lease, key: str, text: str) -> None:
        """As HostsServices.remember."""
        await self._change(self._front(lease.target), lambda seen: seen.charter.fenced(lease).noted(key, text))

    async def recall(self, target: Target, key: str) -> str | None:
        """As HostsServices.recall."""
        front = self._front(target)
        return (await front.read()).charter.pages.get(key) if await front.there() else None

    async def dispose(self, lease: Lease) -> None:
        """As Disposes.dispose."""
        front = self._front(lease.target)
        if await front.there():
            (await front.read()).charter.fenced(lease)
            await front.end()

    async def run(self, lease: Lease, release: Release, job: Job) -> JobResult:
        """As RunsJobs.run; exit code 124 when the job's time was over."""
        self._must_be_image(release)
        secrets = await resolve(release.secrets, "release.secrets")
        front = self._front(lease.target)
        await front.begin()
        (await front.read()).charter.fenced(lease)
        return await self._copies(front).run(release, job, secrets)

    async def traffic(self, target: Target, version: str, since: float) -> Traffic:
        """As ObservesTraffic.traffic, from the proxy's access log, to the millisecond."""
        front = self._front(target)
        placed = (await front.read()).charter.of(version) if await front.there() else None
        if placed is None:
            return Traffic(version=version)
        lines = (await front.log(since)).decode("utf-8", "replace").splitlines()
        return access_log.traffic(version, placed.seats, lines, since, time.time())

    async def _change(self, front: Front, decide: Callable[[Seen], Charter]) -> Charter:
        """Reads, decides, swaps, and begins again where another has come before. What is decided already is said again
        to the proxy: a client may have been killed before it was heard."""
        for attempt in range(_TRIES):
            seen = await front.read()
            charter = decide(seen)
            if charter is seen.charter and not proxy.commands(charter, await front.network(), seen.servers):
                return charter
            try:
                await front.swap(seen, charter)
                return charter
            except Stale:
                await asyncio.sleep(0.02 * attempt)
        raise Unavailable(f"{front.target} is changed by others all the time")

    async def _tidy(self, front: Front) -> None:
        """Copies that the charter does not want are drained and gone."""
        copies, began = self._copies(front), time.monotonic()
        while True:
            seen = await front.read()
            wanted = {seat for one in seen.charter.releases for seat in one.seats}
            left = {copy.seat: copy for copy in await copies.seen() if copy.seat not in wanted}
            known = {server.seat: server for server in seen.servers if server.seat not in wanted}
            if not left and not known:
                return
            busy = [seat for seat, server in known.items() if server.sessions and seat in left and left[seat].running]
            if not busy or time.monotonic() - began > max(left[seat].drain for seat in busy):
                break
            await asyncio.sleep(_POLL)
        await copies.remove(left)
        try:
            await front.swap(seen, seen.charter, tuple(proxy.forgotten(sorted(known))))
        except Stale:
            return  # whoever came before tidies up as well

    def _engine(self) -> Engine:
        if self._kept is None:
            self._kept = Engine(self.engine, self.tls_folder)
        return self._kept

    def _front(self, target: Target) -> Front:
        image = self.proxy_image or settings().docker_proxy_image
        return Front(self._engine(), Names(target, self._installation()), image, self.bind)

    def _installation(self) -> str:
        return self.installation or settings().docker_installation

    def _copies(self, front: Front) -> Copies:
        credentials = {}
        if self.registry_username and self.registry_password:
            credentials = {"username": self.registry_username, "password": self.registry_password.get_secret_value()}
        return Copies(front.engine, front.names, self.bind, credentials, self.pull)

    def _host(self) -> str:
        """Where the engine's machine is reached."""
        scheme, _, rest = (self.engine or "").partition("://")
        if scheme in ("tcp", "ssh") and self.bind not in ("127.0.0.1", "localhost"):
            return rest.rpartition("@")[2].partition("/")[0].partition(":")[0]
        return "127.0.0.1" if self.bind in ("0.0.0.0", "localhost") else self.bind

    def _must_be_image(self, release: Release) -> None:
        if release.artifact.kind not in self.artifact_kinds:
            raise CapabilityError(
                f"the docker platform runs images, and {release.version} is a {release.artifact.kind}",
                fix="set build.builder: docker in tes.yaml, or environments.<name>.platform: local",
            )


def _healthy(seen: Seen) -> set[int]:
    """The seats whose copies are healthy, as the proxy sees them."""
    return {server.seat for server in seen.servers if server.up and server.checked}


def _alive(seen: Seen) -> list[str]:
    """The versions that have a healthy copy."""
    return [one.release.version for one in seen.charter.releases if _healthy(seen) & set(one.seats)]


def _ready(seen: Seen) -> list[str]:
    """The versions whose copies are all healthy."""
    healthy = _healthy(seen)
    return [one.release.version for one in seen.charter.releases if healthy >= set(one.seats)]


def _state(
    placed: Placed, seen: Seen, copies: dict[int, CopySeen], front: Front, host: str, now: float
) -> ReleaseState:
    servers = {server.seat: server for server in seen.servers}
    states, troubles = [], []
    for seat in placed.seats:
        server, copy = servers.get(seat), copies.get(seat)
        healthy = server is not None and server.up and server.checked and copy is not None
        trouble = copy.trouble if copy is not None else "its container is gone"
        told = trouble or (_told(server, placed) if server is not None else "the proxy does not know it yet")
        if trouble and not healthy:
            troubles.append(trouble)
        states.append(
            CopyState(
                name=copy.name if copy is not None else front.names.copy(seat),
                address=f"http://{host}:{copy.port}" if copy is not None and copy.port else "",
                pid=copy.pid if copy is not None else None,
                healthy=healthy,
                restarts=copy.restarts if copy is not None else 0,
                reason="" if healthy else told,
            )
        )
    sick = [state.reason for state in states if not state.healthy]
    over = now - placed.since > placed.release.health.grace
    return ReleaseState(
        release=placed.release,
        weight=placed.weight,
        copies=tuple(states),
        failed=bool(sick) and (over or bool(troubles)),
        reason=(troubles or sick or [""])[0],
        warm_until=placed.warm_until,
    )


def _told(server: proxy.Server, placed: Placed) -> str:
    """The last check in words, with what people forget."""
    hint = f": does it listen on 0.0.0.0:{proxy.port_of(placed)}?" if server.told.startswith("L4") else ""
    return server.told + hint


PLATFORM = DockerPlatform
