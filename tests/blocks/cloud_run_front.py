"""The stand-in's public door: shares requests among containers by percentages. Google's own front is not this."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping


class StandInFront:
    """One address. Shares are exact and even: smooth weighted round robin."""

    def __init__(self) -> None:
        self.backends: Mapping[int, int] = {}
        """By port, its part of the requests."""
        self._credit: dict[int, int] = {}
        self._server: asyncio.Server | None = None

    async def open(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def share(self, backends: Mapping[int, int]) -> None:
        self.backends, self._credit = dict(backends), dict.fromkeys(backends, 0)

    def _next(self) -> int | None:
        if not self.backends:
            return None
        for port, weight in self.backends.items():
            self._credit[port] += weight
        port = max(self._credit, key=lambda one: self._credit[one])
        self._credit[port] -= sum(self.backends.values())
        return port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                port = self._next()
                writer.write(await _answer(port, head) if port else _NOBODY)
                await writer.drain()
        writer.close()


_NOBODY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno"


async def _answer(port: int, head: bytes) -> bytes:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        whole = await reader.read()
        writer.close()
    except OSError:
        whole = b""
    return whole or b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
