"""A small HTTP server on a free port of this machine that leaves no connection behind."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class StandInServer(ABC):
    """`serve` answers one request after the other; EOFError or OSError end the connection."""

    address: str

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection is kept."""

    async def apart(self, work: Callable[[], T]) -> T:
        """In a thread of its own kind: those of the loop may all be waiting for this server's answers."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def opened(self) -> None:
        self._threads = ThreadPoolExecutor(4)
        self._open: dict[asyncio.StreamWriter, asyncio.Event] = {}
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def closed(self) -> None:
        self._server.close()
        for writer in list(self._open):
            writer.close()
        await asyncio.gather(*(ended.wait() for ended in list(self._open.values())))
        self._threads.shutdown()

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
