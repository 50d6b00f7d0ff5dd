"""The platform `docker`: services run as containers of one Docker engine, behind a proxy that is told while it runs.

There is no agent. What an environment is to be (`domain/charter.py`) lies in the proxy's configuration. Each verb reads
it, decides, and swaps it for the next one in a single step inside the proxy's container. What was decided and not done,
because a client was killed, is done by whoever looks next.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, PrivateAttr, SecretStr

from blocks.platforms.chartered import Splits
from blocks.platforms.docker_parts import access_log, garbage
from blocks.platforms.docker_parts.copies import Copies
from blocks.platforms.docker_parts.engine import Engine
from blocks.platforms.docker_parts.front import Front
from blocks.platforms.docker_parts.names import LABEL, Names
from blocks.platforms.docker_parts.place import DockerPlace
from domain.place import Capability, Target, Traffic
from settings import settings


class DockerPlatform(Splits):
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
    poll: ClassVar[float] = 0.1

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

    def place(self, target: Target) -> DockerPlace:
        """The target on this engine."""
        front = self._front(target)
        return DockerPlace(front, self._copies(front), self._host())

    async def targets(self) -> Sequence[Target]:
        """Every target that this engine holds."""
        filters = {"label": [f"{LABEL}.role=front", f"{LABEL}.installation={self._installation()}"]}
        found = await self._engine().do(lambda client: client.containers.list(all=True, filters=filters))
        labels = [container.labels for container in found]
        named = [Target(service=one[f"{LABEL}.service"], environment=one[f"{LABEL}.environment"]) for one in labels]
        return sorted(named, key=str)

    async def traffic(self, target: Target, version: str, since: float) -> Traffic:
        """As ObservesTraffic.traffic, from the proxy's access log, to the millisecond."""
        front = self._front(target)
        placed = (await front.read()).charter.of(version) if await front.there() else None
        if placed is None:
            return Traffic(version=version)
        lines = (await front.log(since)).decode("utf-8", "replace").splitlines()
        return access_log.traffic(version, placed.seats, lines, since, time.time())

    async def garbage(self) -> Sequence[str]:
        """Containers and networks of targets that have neither a proxy nor a notebook any more."""
        return garbage.names(await garbage.found(self._engine(), self._installation()))

    async def collect(self) -> Sequence[str]:
        """They are removed; their names."""
        return garbage.names(await garbage.collected(self._engine(), self._installation()))

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


PLATFORM = DockerPlatform
