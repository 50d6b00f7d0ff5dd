"""One connection of the proof's sender: asks again and again, reads whole answers, keeps of them what is counted.

As light as can be: on a machine that is busy with the rollout itself, a client that needs the processor for long calls
requests lost that were answered in time.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple, cast

import httptools


class Said(NamedTuple):
    """An answer's status, and the value of the header that was looked for; empty when it has none."""

    status: int
    version: str


class Connection(asyncio.Protocol):
    """Keeps the header `wanted` (lower case). One request at a time."""

    def __init__(self, wanted: bytes) -> None:
        self.idle_since = 0.0
        self._wanted = wanted
        self._transport: asyncio.Transport | None = None
        self._begin()
        self._answer: asyncio.Future[Said] | None = None
        self._reusable = False

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._version, self._complete, self._bounded = "", False, False

    @property
    def reusable(self) -> bool:
        """Whether the next request can be sent on it."""
        return self._reusable and self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes) -> Said:
        """The answer to a request. OSError when the connection ends before, HttpParserError when it is not HTTP."""
        assert self._transport is not None
        self._begin()
        self._reusable = False
        self._answer = asyncio.get_running_loop().create_future()
        if self._transport.is_closing():
            raise ConnectionResetError("the connection was closed")
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """At once."""
        if self._transport is not None:
            self._transport.abort()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._reusable = False
            self._fail(error if isinstance(error, httptools.HttpParserError) else OSError("an upgrade for an answer"))

    def connection_lost(self, error: Exception | None) -> None:
        self._reusable = False
        # A body without a length ends with the connection.
        if error is None and self._complete and not self._bounded:
            self.on_message_complete()
        self._fail(error or ConnectionResetError("the connection was closed before the answer"))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        lower = name.lower()
        if lower == self._wanted:
            self._version = value.decode("latin-1")
        elif lower in (b"content-length", b"transfer-encoding"):
            self._bounded = True

    def on_headers_complete(self) -> None:
        self._complete = True

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # "100 Continue" and the like: the answer comes after it
            self._version, self._complete, self._bounded = "", False, False
            return
        self._reusable = self._parser.should_keep_alive()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Said(status, self._version))
