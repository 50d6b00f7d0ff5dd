"""The public port: HTTP/1.1, a release chosen for each request, so that a switch takes open connections along."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Collection, Mapping

from blocks.platforms.local_agent import process
from blocks.platforms.local_agent.balance import Balance
from blocks.platforms.local_agent.client_connection import ClientConnection
from blocks.platforms.local_agent.guarded import Guarded
from blocks.platforms.local_agent.running import Running
from domain.errors import Rejected
from domain.place import Target

BACKLOG = 1024  # connections that wait to be accepted


class Front:
    """Listens on loopback only."""

    def __init__(self, target: Target, releases: Mapping[str, Running], guard: Guarded) -> None:
        self.target = target
        self.connections: set[ClientConnection] = set()
        self.balance = Balance()
        self._releases = releases
        self._guard = guard
        self._servers: dict[int, asyncio.Server] = {}
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def ports(self) -> Collection[int]:
        return self._servers.keys()

    def choose(self) -> Running | None:
        version = self.balance.choose()
        return self._releases.get(version) if version is not None else None

    def other_than(self, release: Running) -> Running | None:
        """Another release that has traffic, the one with most of it."""
        shares = sorted(self.balance.weights.items(), key=lambda item: -item[1])
        return next((self._releases[v] for v, _ in shares if v != release.version and v in self._releases), None)

    async def open(self, port: int | None) -> int:
        """Serves on this port too, or on a free one; the port. Rejected when somebody else has it."""
        if port in self._servers:
            return port or 0
        try:
            listening = self._guard.take(port) or _listening(port or 0)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise self._refusal(port, error) from error
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: ClientConnection(self), sock=listening, backlog=BACKLOG)
        opened = int(listening.getsockname()[1])
        self._servers[opened] = server
        self._guard.hold(opened, listening)
        if self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep())
        return opened

    def keep_only(self, port: int | None) -> None:
        """Stops listening on every other port; connections that are open there go on."""
        for other in [number for number in self._servers if number != port]:
            self._guard.drop(other)
            self._servers.pop(other).close()

    def drop_what_is_left(self) -> None:
        """Ports of a former agent that were not opened here are closed."""
        self._guard.drop_what_is_left()

    def close(self) -> None:
        """No new connections; those that are open end when their answers are written."""
        self.keep_only(None)
        for connection in tuple(self.connections):
            connection.finish()

    def _refusal(self, port: int | None, error: OSError) -> Rejected:
        who = process.listener(port or 0) or "another process"
        what = f"is in use by {who}" if error.errno == errno.EADDRINUSE else "may not be opened by this user"
        return Rejected(
            f"port {port} of {self.target} {what}",
            fix=f"set environments.{self.target.environment}.port to a free port, or leave it out to have one picked; "
            f"`ss -ltnp 'sport = :{port}'` shows who has it",
        )

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(1)
            now = time.monotonic()
            for connection in tuple(self.connections):
                connection.sweep(now)


def _listening(port: int) -> socket.socket:
    """OSError when the port cannot be had."""
    listening = socket.socket()
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what is left of ended connections
        listening.bind(("127.0.0.1", port))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening
