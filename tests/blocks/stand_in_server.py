"""A small HTTP server on a free port of this machine that leaves no connection behind."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod


class StandInServer(ABC):
    """`serve` answers one request after the other; EOFError or OSError end the connection."""

    address: str

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection is kept."""

    async def opened(self) -> None:
        self._open: dict[asyncio.StreamWriter, asyncio.Event] = {}
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def closed(self) -> None:
        self._server.close()
        for writer in list(self._open):
            writer.close()
        await asyncio.gather(*(ended.wait() for ended in list(self._open.values())))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = ended = asyncio.Event()
        try:
            with contextlib.suppress(OSError, EOFError):
                while await self.serve(reader, writer):
                    await writer.drain()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        finally:
            del self._open[writer]
            ended.set()
