"""One target on a Docker engine: its charter lies in its proxy's configuration, its copies are containers.

A change is one command inside the proxy's container, so that what was decided and who has the traffic are one thing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from blocks.platforms.chartered import Seen, Stale
from blocks.platforms.docker_parts import proxy
from blocks.platforms.docker_parts.copies import Copies
from blocks.platforms.docker_parts.copies import Seen as CopySeen
from blocks.platforms.docker_parts.front import Front
from blocks.platforms.docker_parts.front import Seen as FrontSeen
from domain.charter import Charter, Placed
from domain.place import CopyState, Job, JobResult, Release

_POLL = 0.1  # seconds between two looks at what drains


class DockerPlace:
    """Of one target. `host` is where the engine's machine is reached."""

    seats = proxy.SEATS

    def __init__(self, front: Front, copies: Copies, host: str) -> None:
        self.front, self.copies, self.host, self.target = front, copies, host, front.target
        self._last: FrontSeen | None = None

    async def begun(self) -> bool:
        return await self.front.there()

    async def begin(self) -> None:
        await self.front.begin()

    async def prepare(self, release: Release) -> None:
        if release.public_port is not None:
            await self.front.open_at(release.public_port)
        await self.copies.image(release)

    async def charter(self) -> Charter:
        self._last = await self.front.read()
        return self._last.charter

    async def look(self) -> Seen:
        seen = self._last = await self.front.read()
        there = {copy.seat: copy for copy in await self.copies.seen()}
        servers = {server.seat: server for server in seen.servers}
        copies, troubles = {}, {}
        for placed in seen.charter.releases:
            states = [self._copy(seat, placed, servers.get(seat), there.get(seat)) for seat in placed.seats]
            copies[placed.release.version] = [state for state, _ in states]
            if told := [trouble for _, trouble in states if trouble]:
                troubles[placed.release.version] = told[0]
        address = f"http://{self.host}:{await self.front.port()}" if seen.charter.stable else ""
        agrees = not proxy.commands(seen.charter, await self.front.network(), seen.servers)
        return Seen(seen.charter, copies, troubles, address, agrees)

    async def swap(self, seen: Seen, charter: Charter) -> None:
        assert self._last is not None and self._last.charter is seen.charter
        await self.front.swap(self._last, charter)

    async def start(self, placed: Placed, secrets: Mapping[str, str]) -> None:
        await self.copies.start(placed, await self.front.network(), secrets)

    async def tidy(self) -> None:
        began = time.monotonic()
        while True:
            seen = await self.front.read()
            wanted = {seat for one in seen.charter.releases for seat in one.seats}
            left = {copy.seat: copy for copy in await self.copies.seen() if copy.seat not in wanted}
            known = {server.seat: server for server in seen.servers if server.seat not in wanted}
            if not left and not known:
                return
            busy = [seat for seat, server in known.items() if server.sessions and seat in left and left[seat].running]
            if not busy or time.monotonic() - began > max(left[seat].drain for seat in busy):
                break
            await asyncio.sleep(_POLL)
        await self.copies.remove(left)
        try:
            await self.front.swap(seen, seen.charter, tuple(proxy.forgotten(sorted(known))))
        except Stale:
            return  # whoever came before tidies up as well

    async def end(self) -> None:
        await self.front.end()

    async def run(self, release: Release, job: Job, secrets: Mapping[str, str]) -> JobResult:
        return await self.copies.run(release, job, secrets)

    def _copy(
        self, seat: int, placed: Placed, server: proxy.Server | None, copy: CopySeen | None
    ) -> tuple[CopyState, str]:
        """The copy, healthy as the proxy sees it; and why it will not become so, empty while it may."""
        healthy = server is not None and server.up and server.checked and copy is not None
        trouble = "" if healthy else copy.trouble if copy is not None else "its container is gone"
        told = trouble or (_told(server, placed) if server is not None else "the proxy does not know it yet")
        state = CopyState(
            name=copy.name if copy is not None else self.front.names.copy(seat),
            address=f"http://{self.host}:{copy.port}" if copy is not None and copy.port else "",
            pid=copy.pid if copy is not None else None,
            healthy=healthy,
            restarts=copy.restarts if copy is not None else 0,
            reason="" if healthy else told,
        )
        return state, trouble


def _told(server: proxy.Server, placed: Placed) -> str:
    """The last check in words, with what people forget."""
    hint = f": does it listen on 0.0.0.0:{proxy.port_of(placed)}?" if server.told.startswith("L4") else ""
    return server.told + hint
