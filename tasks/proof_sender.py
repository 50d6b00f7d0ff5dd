"""A load of constant rate in a thread of its own: whatever keeps the rollout's event loop busy delays no request.

An open model: a request leaves when it is due, whether or not earlier ones were answered, and its time counts from
then. One that finds too many under way is counted as unsent. Connections are kept alive, and nothing is sent again; a
tenth of the requests come on a new one, as of a new client: where connections are shared out and not requests, a kept
one would see a single copy.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httptools

from domain.proof_count import Answer
from domain.redaction import redact
from tasks.proof_connection import Connection, Said

UNDER_WAY = 200
"""Requests at once, and so connections."""
LONGEST = 200
"""Characters of a reason."""
RENEWED = 10
"""Requests until one comes on a new connection."""
IDLE = 4.0
"""Seconds after which a connection is not used again: many servers close one after five, at the moment it is used."""


def why(error: BaseException) -> str:
    """The reason that the system gave, such as `Connection refused`; else the error's own words."""
    for one in _causes(error):
        if isinstance(one, OSError) and one.errno is not None and one.errno > 0:
            return os.strerror(one.errno)
        if isinstance(one, socket.gaierror):
            return str(one.strerror)[:LONGEST]
    return redact(f"{type(error).__name__} {error}".strip())[:LONGEST]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What an error came of, the nearest first."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _causes(one)
    beneath = error.__cause__ or error.__context__
    if beneath is not None:
        yield from _causes(beneath)


class Sender:
    """Asks one address `rate` times a second, from `start` until `stop`, and gives each answer to `heard`, in its own
    thread. A request is lost when it has no answer within `timeout` seconds, or another than 2xx and 3xx."""

    def __init__(
        self, url: str, rate: float, timeout: float, header: str, heard: Callable[[Answer], None], most: int = UNDER_WAY
    ) -> None:
        self.url, self.rate, self.timeout, self.header, self.most = url, rate, timeout, header, most
        self.broken: BaseException | None = None
        self.answered = threading.Event()
        """The first answer came, or its failure."""
        self._heard = heard
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tes-proof", daemon=True)
        self._flying: set[asyncio.Task[None]] = set()
        self._idle: list[Connection] = []
        self._tls: ssl.SSLContext | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self, patience: float) -> bool:
        """Sends no more, and waits for the answers that are still out, at most that many seconds. Whether all of them
        came or were given up; when not, they are in no count."""
        self._stop.set()
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            asyncio.run(self._run())
        except Exception as error:  # evidence that breaks must not break the rollout; it is told in the proof
            self.broken = error

    async def _run(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme == "https":
            self._tls = ssl.create_default_context()
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._tls else 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: tes-proof\r\n\r\n".encode()
        began, number = time.time(), 0
        try:
            while not self._stop.is_set():
                due = began + number / self.rate
                # A long pause would keep whoever stops us waiting.
                if (pause := due - time.time()) > 0:
                    await asyncio.sleep(min(pause, 0.05))
                    continue
                number += 1
                renewed = number % RENEWED == 0
                if len(self._flying) >= self.most:
                    self._heard(Answer(due, unsent=True))
                    continue
                task = asyncio.create_task(self._one(due, renewed))
                self._flying.add(task)
                task.add_done_callback(self._flying.discard)
            await asyncio.gather(*self._flying)
        finally:
            for connection in self._idle:
                connection.close()

    async def _one(self, due: float, renewed: bool) -> None:
        version, wrong = "", ""
        try:
            async with asyncio.timeout(self.timeout):
                said = await self._asked(renewed)
            version = said.version
            wrong = "" if 200 <= said.status < 400 else f"status {said.status}"
        except TimeoutError:
            wrong = f"no answer within {self.timeout:g} s"
        except (OSError, ValueError, httptools.HttpParserError) as error:
            wrong = why(error)
        self._heard(Answer(due, time.time() - due, version, wrong))
        self.answered.set()

    async def _asked(self, renewed: bool) -> Said:
        connection = self._kept()
        if connection is not None and renewed:
            connection.close()
            connection = None
        connection = connection or await self._opened()
        try:
            return await connection.ask(self._request)
        finally:
            if connection.reusable:
                connection.idle_since = time.monotonic()
                self._idle.append(connection)
            else:
                connection.close()

    def _kept(self) -> Connection | None:
        """The connection that was used last, so that those that are not needed grow old."""
        now = time.monotonic()
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable and now - connection.idle_since < IDLE:
                return connection
            connection.close()
        return None

    async def _opened(self) -> Connection:
        def new() -> Connection:
            return Connection(self.header.lower().encode())

        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(new, self._host, self._port, ssl=self._tls)
        return connection
