"""The proxy's container: it has the public port, and the charter in its configuration.

A change is one command inside the container, under a lock there: where the charter is still the one that was read, the
new configuration is renamed into place and the running proxy is told the difference. Two clients cannot both succeed,
and one that dies has changed all or nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import tarfile
import time
import uuid
from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, NamedTuple

from blocks.platforms.chartered import Stale
from blocks.platforms.docker_parts import proxy
from blocks.platforms.docker_parts.engine import Engine
from blocks.platforms.docker_parts.names import Names
from domain.charter import Charter
from domain.errors import Rejected, Unavailable

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

_STALE = 75
_CONFLICT = 409
_PATIENCE = 15.0  # seconds until a proxy that somebody else began to create is looked after
_PROXY_HOST = 10  # its address in the target's network, below those of the copies
_CUT = "\n--- what runs ---\n"

_ASK = f"""ask() {{
    exec 3<>/dev/tcp/127.0.0.1/{proxy.RUNTIME} || exit 7
    printf '%s\\n' "$1" >&3; cat <&3; exec 3>&-
}}
"""
# The first configuration comes in the environment; one that is in the volume already is newer.
_START = f"""set -eu
cd {proxy.FOLDER}
exec 9>>lock; flock 9
if [ ! -e haproxy.cfg ]; then
    printf '%s' "$TES_HEALTH" >health.map
    printf '%s' "$TES_CONFIG" >haproxy.cfg.new
    mv haproxy.cfg.new haproxy.cfg
fi
exec 9>&-
exec haproxy -db -f haproxy.cfg
"""
_READ = f"""set -eu
{_ASK}cat {proxy.CONFIG}
printf '%s' "$1"
ask 'show stat'
"""
# $1: the serial that was read; $2: the stem of the files that were put there; $3: what cuts the answers in two.
_SWAP = f"""set -eu
{_ASK}cd {proxy.FOLDER}
exec 9>>lock; flock -w 20 9
now=$(sed -n '2s/^#tes \\([0-9]*\\) .*/\\1/p' haproxy.cfg)
if [ "$now" != "$1" ]; then rm -f "$2".*; echo "$now"; exit {_STALE}; fi
sync "$2.cfg"
mv -f "$2.map" health.map
mv -f "$2.cfg" haproxy.cfg
while IFS= read -r line; do ask "$line"; done <"$2.commands"
rm -f "$2.commands"
printf '%s' "$3"
ask 'show stat'
"""


class Seen(NamedTuple):
    """The charter, and what the proxy does at this moment."""

    charter: Charter
    servers: tuple[proxy.Server, ...]


class Front:
    """Of one target. `image` has haproxy, bash and flock; `bind` is the address that the public port is opened on."""

    def __init__(self, engine: Engine, names: Names, image: str, bind: str) -> None:
        self.engine, self.names, self.image, self.bind = engine, names, image, bind
        self.target = names.target

    async def there(self) -> bool:
        """Whether the target was ever begun, on this engine. One whose container somebody removed is put back."""
        if await self._container() is not None:
            return True
        volumes = await self.engine.do(lambda client: client.volumes.list(filters={"label": self.names.filters()}))
        if volumes:
            await self.begin()
        return bool(volumes)

    async def begin(self, port: int | None = None) -> None:
        """The proxy runs, in the target's network. Said by several at once, one of them creates it."""
        container = await self._container()
        if container is not None and container.status == "running" and await self._joined():
            return
        if container is None and await self._created(port):
            await self._mended()
            return
        deadline = time.monotonic() + (_PATIENCE if container is None or container.status == "created" else 0)
        while time.monotonic() < deadline:
            container = await self._container()
            if container is not None and container.status == "running" and await self._joined():
                return
            await asyncio.sleep(0.1)
        await self._mended()

    async def open_at(self, port: int) -> None:
        """The public port is this one. Rejected while another serves: changing it closes that."""
        if await self.port() == port:
            return
        charter = (await self.read()).charter
        if charter.stable is not None:
            raise Rejected(
                f"{self.target} serves on port {await self.port()}, and environments.<name>.port is {port} now",
                fix="set it back, or release to another environment and move the clients there",
            )
        await self.engine.do(lambda client: client.containers.get(self.names.front).remove(force=True))
        await self.begin(port)

    async def port(self) -> int:
        """Where the public is served, on the engine's machine."""
        container = await self._container()
        ports = container.ports if container is not None else {}
        published = ports.get(f"{proxy.PUBLIC}/tcp") or []
        return int(published[0]["HostPort"]) if published else 0

    async def network(self) -> IPv4Network:
        """Where its copies are."""
        found = await self.engine.do(lambda client: client.networks.list(names=[f"^{self.names.network}$"]))
        if not found:
            await self._mended()
            found = await self.engine.do(lambda client: client.networks.list(names=[f"^{self.names.network}$"]))
        attributes: dict[str, Any] = found[0].attrs
        return IPv4Network(attributes["IPAM"]["Config"][0]["Subnet"])

    async def read(self) -> Seen:
        """The newest charter, and what runs. Unavailable when the proxy does not answer."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            code, text = await self._inside(_READ, _CUT)
            configuration, _, stat = text.partition(_CUT)
            try:
                if code == 0:
                    return Seen(proxy.charter_of(configuration), tuple(proxy.servers(stat)))
                error = text[-300:]
            except ValueError as misread:  # a busy engine has been seen to give a part of an output
                error = str(misread)
            if time.monotonic() > deadline:
                raise Unavailable(f"the proxy of {self.target} does not answer, or cannot be understood: {error}")
            await asyncio.sleep(0.1)

    async def swap(self, seen: Seen, charter: Charter, also: tuple[str, ...] = ()) -> None:
        """The charter takes the place of the one that was seen, and the running proxy obeys it. Stale when another has
        come before; Unavailable when the proxy does not do what it is told: the charter holds all the same, and saying
        it again tells the proxy again."""
        network = await self.network()
        lines = [*proxy.commands(charter, network, seen.servers), *also]
        stem = f"next-{uuid.uuid4().hex}"
        files = {
            f"{stem}.cfg": proxy.configuration(charter, network),
            f"{stem}.map": proxy.health_map(charter),
            f"{stem}.commands": "".join(f"{line}\n" for line in lines),
        }
        archive = _packed(files)
        await self.engine.do(lambda client: client.containers.get(self.names.front).put_archive(proxy.FOLDER, archive))
        code, text = await self._inside(_SWAP, str(seen.charter.serial), stem, _CUT)
        if code == _STALE:
            raise Stale(text)
        if code != 0:
            raise Unavailable(f"the proxy of {self.target} did not take the change: {text[-300:]}")
        answers, _, stat = text.partition(_CUT)
        try:
            servers: Sequence[proxy.Server] = proxy.servers(stat)
        except ValueError:
            servers = (await self.read()).servers
        if left := proxy.commands(charter, network, servers):
            raise Unavailable(f"the proxy of {self.target} was not heard to obey {left[0]!r}: {answers.strip()[-300:]}")

    async def end(self) -> None:
        """Nothing of it is left."""

        def work(client: DockerClient) -> None:
            for container in client.containers.list(all=True, filters={"label": self.names.filters()}):
                container.remove(force=True)
            for network in client.networks.list(filters={"label": self.names.filters()}):
                network.remove()
            for volume in client.volumes.list(filters={"label": self.names.filters()}):
                volume.remove(force=True)

        await self.engine.do(work)

    async def log(self, since: float) -> bytes:
        """The access log since a moment."""
        return await self.engine.do(
            lambda client: client.containers.get(self.names.front).logs(stderr=False, since=float(int(since)))
        )

    async def _inside(self, script: str, *words: str) -> tuple[int, str]:
        """A script's exit code and output, inside the proxy's container."""

        def work(client: DockerClient) -> tuple[int, str]:
            container = client.containers.get(self.names.front)
            if container.status != "running":
                container.start()
            done = container.exec_run(["bash", "-c", script, "tes", *words], user="root")
            if done.exit_code is None:  # the engine let go of it before it had ended
                raise Unavailable(f"the proxy of {self.target} gave no answer")
            return int(done.exit_code), done.output.decode("utf-8", "replace")

        return await self.engine.do(work)

    async def _container(self) -> Container | None:
        def work(client: DockerClient) -> Container | None:
            found = client.containers.list(all=True, filters={"name": f"^/?{self.names.front}$"})
            return found[0] if found else None

        return await self.engine.do(work)

    async def _joined(self) -> bool:
        container = await self._container()
        return container is not None and self.names.network in container.attrs["NetworkSettings"]["Networks"]

    async def _created(self, port: int | None) -> bool:
        """Whether it was this call that created the container."""
        charter = Charter(target=self.target)
        first = {
            "TES_CONFIG": proxy.configuration(charter, IPv4Network("127.0.0.0/8")),
            "TES_HEALTH": proxy.health_map(charter),
        }

        def work(client: DockerClient) -> bool:
            from docker.errors import APIError, ImageNotFound

            try:
                client.volumes.create(self.names.volume, labels=self.names.labels("notebook"))
                client.containers.create(
                    self.image,
                    ["bash", "-c", _START],
                    entrypoint=[],
                    name=self.names.front,
                    user="root",
                    labels=self.names.labels("front"),
                    environment=first,
                    volumes={self.names.volume: {"bind": proxy.FOLDER, "mode": "rw"}},
                    ports={f"{proxy.PUBLIC}/tcp": (self.bind, port)},
                    restart_policy={"Name": "unless-stopped"},
                    log_config={"type": "json-file", "config": {"max-size": "50m", "max-file": "3"}},
                )
            except ImageNotFound as error:
                raise Rejected(
                    f"the proxy's image {self.image} is not on the engine",
                    fix="pull it, or make one with scripts/proxy-image.sh and name it in the block's proxy_image",
                ) from error
            except APIError as error:
                if error.status_code == _CONFLICT:
                    return False
                raise
            return True

        return await self.engine.do(work)

    async def _mended(self) -> None:
        """Its network is there, it is in it, and it runs."""

        def work(client: DockerClient) -> None:
            network = next(iter(client.networks.list(names=[f"^{self.names.network}$"])), None) or self._network(client)
            container = client.containers.get(self.names.front)
            if self.names.network not in container.attrs["NetworkSettings"]["Networks"]:
                subnet = IPv4Network(client.networks.get(network.id).attrs["IPAM"]["Config"][0]["Subnet"])
                network.connect(container, ipv4_address=str(subnet[_PROXY_HOST]))
            if container.status != "running":
                container.start()

        await self.engine.do(work)

    def _network(self, client: DockerClient) -> Any:
        """One with addresses of our choice, so that a copy that is started again is where it was. The engine finds a
        range that is free; only one that is named lets addresses be given."""
        from docker.errors import APIError
        from docker.types import IPAMConfig, IPAMPool

        for _ in range(5):
            probe = client.networks.create(f"{self.names.network}-probe-{uuid.uuid4().hex[:8]}")
            subnet = client.networks.get(probe.id).attrs["IPAM"]["Config"][0]["Subnet"]
            probe.remove()
            pool = IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)])
            with contextlib.suppress(APIError):  # another may have taken the range meanwhile
                return client.networks.create(self.names.network, labels=self.names.labels("network"), ipam=pool)
        raise Unavailable(f"the Docker engine gave no free address range for {self.names.network}, five times")


def _packed(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            data = text.encode()
            info.size, info.mode = len(data), 0o644
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()
