"""An open-model load: requests leave at their time, whether or not earlier ones are answered (no coordinated omission).

    python benchmarks/_open_load.py http://127.0.0.1:8000/ 200 OUT.json       until SIGTERM

OUT.json holds one row a request: when it was due, when it ended (seconds since the epoch), its status (0: no answer)
and its body. Connections are kept alive, a tenth of the requests open a new one, as a new client does, and nothing is
retried: what fails, fails.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

Row = tuple[float, float, int, str]
_TIMEOUT, _RENEWED = 10.0, 10


class Load:
    def __init__(self, url: str, rate: float) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._request = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
        self._rate = rate
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.rows: list[Row] = []
        self.fresh = False
        """Each request opens a connection, which is kept for later ones."""

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then waits for what is under way."""
        begun, number = time.time(), 0
        tasks: set[asyncio.Task[None]] = set()
        while not stop.is_set():
            due = begun + number / self._rate
            await asyncio.sleep(max(0.0, due - time.time()))
            task = asyncio.create_task(self._one(due, number % _RENEWED == 0))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            number += 1
        await asyncio.gather(*tasks)

    async def _one(self, due: float, renewed: bool) -> None:
        status, body = 0, ""
        try:
            async with asyncio.timeout(_TIMEOUT):
                # A connection that the server has closed in the meantime is seen here; one that it closes now is not.
                while self._idle and (self._idle[0][0].at_eof() or self._idle[0][1].is_closing()):
                    self._idle.pop(0)[1].close()
                if renewed and self._idle:
                    self._idle.pop(0)[1].close()
                # All of them in turn: what a connection is tied to is seen.
                reader, writer = (
                    self._idle.pop(0) if self._idle and not (self.fresh or renewed) else await self._connect()
                )
                writer.write(self._request)
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode("latin-1").lower().split("\r\n")
                length = next(int(line[15:]) for line in lines if line.startswith("content-length:"))
                body = (await reader.readexactly(length)).decode()
                status = int(lines[0].split()[1])
                if "connection: close" in lines:
                    writer.close()
                else:
                    self._idle.append((reader, writer))
        except (OSError, EOFError, TimeoutError, StopIteration, asyncio.LimitOverrunError) as error:
            body = f"{type(error).__name__}: {error}"
        self.rows.append((due, time.time(), status, body[:200]))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._host, self._port)


async def main(url: str, rate: float, out: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    load = Load(url, rate)
    await load.run(stop)
    out.write_text(json.dumps(load.rows))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3])))
