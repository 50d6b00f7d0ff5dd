"""A connection of the public: requests in, answers out, one at a time and in order."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import httptools

from blocks.platforms.local_agent.exchange import ANSWER_TIMEOUT, BUFFER, Exchange
from blocks.platforms.local_agent.heads import Headers, Refused, RequestHead

if TYPE_CHECKING:
    from blocks.platforms.local_agent.front import Front

HEAD_LIMIT, HEADER_COUNT = 65536, 200
HEAD_TIMEOUT, IDLE_TIMEOUT = 30.0, 75.0
_FULL, _SLOW, _QUEUE = 1, 2, 4  # why reading is paused


class ClientConnection(asyncio.Protocol):
    """Parses requests, holds back what cannot be taken yet, and never has more than a few buffers in memory."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # connection_made comes first
        self.slow = False
        self._peer = b""
        self._parser = httptools.HttpRequestParser(self)
        self._headers: Headers = []
        self._url = b""
        self._head_size = self._fields_size = 0
        self._in_head = True
        self._receiving: Exchange | None = None
        self._active: Exchange | None = None
        self._queue: deque[Exchange] = deque()
        self._upgrading: Exchange | None = None
        self._held: list[bytes] = []
        self._held_size = 0
        self._paused = 0
        self._closing = False
        self._since = time.monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]).encode() if peer else b"unknown"
        self.front.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.front.connections.discard(self)
        self._closing = True
        if self._active is not None:
            self._active.client_gone()
            self._active = None
        self._queue.clear()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if self._upgrading is not None:
            self._hold(self._upgrading, data)
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
            if self._upgrading is not None:
                if rest:
                    self._hold(self._upgrading, rest)
            elif rest:
                self.data_received(rest)
            return
        except httptools.HttpParserError as error:
            cause = error.__context__
            if isinstance(cause, Refused):
                self._bad_request(cause.status, cause.why)
            else:
                self._bad_request(400, f"not a request: {error}")
            return
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > HEAD_LIMIT:
                self._bad_request(431, f"the head is longer than {HEAD_LIMIT} bytes")

    def _hold(self, exchange: Exchange, data: bytes) -> None:
        if exchange.tunnel:
            exchange.raw(data)
            return
        self._held.append(data)
        self._held_size += len(data)
        if self._held_size > BUFFER:
            self._pause(_FULL, True)

    def eof_received(self) -> bool:
        return False

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._headers, self._url = [], b""
        self._in_head, self._head_size, self._fields_size = True, 0, 0
        self._since = time.monotonic()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))
        self._fields_size += len(name) + len(value)
        if len(self._headers) > HEADER_COUNT or self._fields_size > HEAD_LIMIT:
            raise Refused(431, f"more than {HEADER_COUNT} headers or {HEAD_LIMIT} bytes of them")

    def on_headers_complete(self) -> None:
        parser = self._parser
        head = RequestHead(
            parser.get_method(),
            self._url,
            self._headers,
            parser.get_http_version(),
            parser.should_keep_alive(),
            self._peer,
        )
        # An upgrade that is not passed on is an ordinary request, but the parser has stopped reading its body.
        if parser.should_upgrade() and not head.upgrade and head.has_body:
            raise Refused(400, "an upgrade with a body")
        self._in_head = False
        exchange = self._receiving = Exchange(self, head)
        if head.upgrade:
            self._upgrading = exchange
        if self._active is None:
            self._active = exchange
            exchange.begin()
        else:
            self._queue.append(exchange)
            self._pause(_QUEUE, True)

    def on_body(self, body: bytes) -> None:
        if self._receiving is not None:
            self._receiving.body(body)

    def on_message_complete(self) -> None:
        exchange, self._receiving = self._receiving, None
        # The next head begins with its first byte: until then the connection is idle, and nobody is slow.
        self._in_head, self._head_size = False, 0
        if exchange is not None:
            exchange.body_ended()

    # What an exchange calls.

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def done(self, exchange: Exchange) -> None:
        """The answer is written: on to the next request, or the end of the connection."""
        if exchange is not self._active:
            return
        self._active = None
        self._since = time.monotonic()
        if not exchange.keep_alive or not exchange.sent and exchange is not self._upgrading or self._closing:
            self.close()
            return
        if exchange is self._upgrading:  # the copy declined: the connection goes on in HTTP
            self._upgrading = None
            held = b"".join(self._held)
            self._held.clear()
            self._held_size = 0
            self._pause(_FULL, False)
            if held:
                self.data_received(held)
        if self._active is None and self._queue:
            self._active = self._queue.popleft()
            if not self._queue:
                self._pause(_QUEUE, False)
            self._active.begin()

    def refuse(self, status: int, why: str, bodiless: bool, *, keep: bool) -> None:
        """Answers in the name of the front."""
        text = f"{status} {HTTPStatus(status).phrase}: {why}\n".encode()
        self.transport.write(
            b"HTTP/1.1 %d %b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n%b\r\n%b"
            % (
                status,
                HTTPStatus(status).phrase.encode(),
                len(text),
                b"" if keep else b"Connection: close\r\n",
                b"" if bodiless else text,
            )
        )

    def tunnelled(self, exchange: Exchange) -> None:
        for data in self._held:
            exchange.raw(data)
        self._held.clear()
        self._held_size = 0
        self._pause(_FULL, False)

    def buffer_full(self, full: bool) -> None:
        self._pause(_FULL, full)

    def upstream_slow(self, slow: bool) -> None:
        self._pause(_SLOW, slow)

    def close(self) -> None:
        """Once everything is written."""
        self._closing = True
        self.transport.close()

    def finish(self) -> None:
        """After the answer that is under way, if there is one."""
        if self._active is None:
            self.close()
        else:
            self._active.keep_alive = False

    def cut(self) -> None:
        """At once: the client must see that the answer is not whole."""
        self._closing = True
        self.transport.abort()

    # What the loop calls.

    def pause_writing(self) -> None:
        self.slow = True
        if self._active is not None:
            self._active.client_slow(True)

    def resume_writing(self) -> None:
        self.slow = False
        if self._active is not None:
            self._active.client_slow(False)

    def sweep(self, now: float) -> None:
        """Called every second: ends what has waited too long."""
        active = self._active
        if active is not None:
            if active.waiting and active.sent and now - active.started > ANSWER_TIMEOUT:
                active.too_late()
        elif self._head_size:
            if now - self._since > HEAD_TIMEOUT:
                self._bad_request(408, f"the head did not come within {HEAD_TIMEOUT:g} s")
        elif now - self._since > IDLE_TIMEOUT:
            self.close()

    def _pause(self, reason: int, on: bool) -> None:
        before = self._paused
        self._paused = before | reason if on else before & ~reason
        if bool(before) != bool(self._paused) and not self.transport.is_closing():
            if on:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def _bad_request(self, status: int, why: str) -> None:
        """Nothing that follows can be understood. An answer that is under way is not interleaved with."""
        if self._active is None:
            self.refuse(status, why, False, keep=False)
            self.close()
        elif self._active is self._receiving:
            waiting = self._active.waiting
            self._active.client_gone()
            self._active = None
            if waiting:
                self.refuse(status, why, False, keep=False)
                self.close()
            else:
                self.cut()
        else:
            self._closing = True
            self._active.keep_alive = False
