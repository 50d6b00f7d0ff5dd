"""One connection to one copy, used for one exchange at a time and kept in the copy's pool in between."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import httptools

from blocks.platforms.local_agent.heads import Headers, ResponseHead

if TYPE_CHECKING:
    from blocks.platforms.local_agent.exchange import Exchange

_HEAD_LIMIT = 65536


class Upstream(asyncio.Protocol):
    """Reads a response as it comes and hands it to its exchange. Ended by `closed` or given back by `finished`."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # connection_made comes first
        self.exchange: Exchange | None = None
        self.dead = False
        self.writable = True
        self._fresh()

    def _fresh(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: Headers = []
        self._reason = b""
        self._size = 0
        self._begun = self._complete = self._until_close = False
        self._chunk = False
        self._out: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def send(self, exchange: Exchange) -> None:
        """Begins an exchange on this connection."""
        self.exchange = exchange
        self._complete = False

    def close(self) -> None:
        self.dead = True
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            self.close()  # nobody asked
            return
        if exchange.tunnel:
            exchange.to_client(data)
            return
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
            exchange.to_client(b"".join(self._out) + rest)
            self._out.clear()
            exchange.switch()
            return
        except httptools.HttpParserError as error:
            if not self._complete:
                exchange.failed(self, f"does not speak HTTP: {error}")
                return
        if not self._begun and self._size > _HEAD_LIMIT:
            exchange.failed(self, "sent a head of more than 64 KiB")
            return
        if self._out:
            exchange.to_client(b"".join(self._out))
            self._out.clear()
        if self._complete:
            self._finish(exchange)

    def _finish(self, exchange: Exchange) -> None:
        again = not self.dead and not self._until_close and self._keeps
        self.exchange = None
        if exchange.head.method == b"HEAD" or self._bodiless:
            self._parser = httptools.HttpResponseParser(self)
        self._begun = False
        self._size = 0
        exchange.finished(self, again)

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._headers = []
        self._reason = b""

    def on_status(self, status: bytes) -> None:
        self._reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        exchange, parser = self.exchange, self._parser
        status = parser.get_status_code()
        self._interim = 100 <= status < 200 and status != 101
        if self._interim or exchange is None or self._complete:
            return
        self._begun = True
        head = exchange.head
        self._bodiless = head.method == b"HEAD" or status in (204, 304)
        self._keeps = parser.should_keep_alive()
        answer = ResponseHead(
            status,
            self._reason,
            self._headers,
            bodiless=self._bodiless,
            old=head.old,
            keep_alive=exchange.keep_alive,
        )
        self._chunk, self._until_close = answer.chunk, answer.until_close
        if self._until_close and head.old:
            exchange.keep_alive = False
        exchange.answered(status)
        self._out.append(answer.data)
        if self._bodiless:
            self._complete = True

    def on_body(self, body: bytes) -> None:
        if self._complete:
            return
        self._out.append(b"%x\r\n%b\r\n" % (len(body), body) if self._chunk else body)

    def on_message_complete(self) -> None:
        if self._interim or self._complete:
            return
        if self._chunk:
            self._out.append(b"0\r\n\r\n")
        self._complete = True

    # What the loop calls.

    def pause_writing(self) -> None:
        self.writable = False
        if self.exchange is not None:
            self.exchange.slow_upstream(True)

    def resume_writing(self) -> None:
        self.writable = True
        if self.exchange is not None:
            self.exchange.slow_upstream(False)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.dead = True
        exchange, self.exchange = self.exchange, None
        if exchange is None:
            return
        if exchange.tunnel:
            exchange.hang_up()
        elif self._begun and self._until_close and error is None:
            if self._chunk:
                exchange.to_client(b"0\r\n\r\n")
            exchange.finished(self, False)
        else:
            exchange.failed(self, "closed the connection" if error is None else f"broke the connection: {error}")
