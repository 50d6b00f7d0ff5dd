"""One request and its answer: given to a copy, tried again elsewhere where that is safe, counted once."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from blocks.platforms.local_agent.heads import IDEMPOTENT, RequestHead
from blocks.platforms.local_agent.upstream import Upstream

if TYPE_CHECKING:
    from blocks.platforms.local_agent.client_connection import ClientConnection
    from blocks.platforms.local_agent.copies import Copy
    from blocks.platforms.local_agent.running import Running

BUFFER = 65536  # bytes of a body that are kept for another attempt, or while there is no connection yet
ATTEMPTS = 4
CONNECT_TIMEOUT, ANSWER_TIMEOUT = 2.0, 60.0
# An idle connection may be closed by the copy at the very moment it is used again. What is not idempotent cannot be
# said twice, so it only takes a connection that was used just now.
_FRESH, _IDLE, _POOL = 0.5, 4.0, 128


class Exchange:
    """Lives from a request's head to the last byte of its answer."""

    __slots__ = (
        "client",
        "head",
        "keep_alive",
        "started",
        "sent",
        "tunnel",
        "release",
        "copy",
        "_upstream",
        "_tried",
        "_kept",
        "_size",
        "_attempts",
        "_reused",
        "_status",
        "_ended",
        "_connecting",
        "_continued",
        "_moved",
    )

    def __init__(self, client: ClientConnection, head: RequestHead) -> None:
        self.client, self.head = client, head
        self.keep_alive = head.keep_alive
        self.started = time.monotonic()
        self.sent = not head.has_body  # the client has sent all of its body
        self.tunnel = False
        self.release: Running | None = None
        self.copy: Copy | None = None
        self._upstream: Upstream | None = None
        self._tried: set[Copy] = set()
        self._kept: list[bytes] | None = []
        self._size = self._attempts = self._status = 0
        self._reused = self._ended = self._continued = self._moved = False
        self._connecting: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> bool:
        """No byte of the answer is there."""
        return not self._status and not self._ended

    # From the client.

    def begin(self) -> None:
        """Chooses the release for this one request, and a copy of it."""
        self.release = self.client.front.choose()
        if self.release is None:
            self._refuse(503, f"no release of {self.client.front.target} has the traffic")
            return
        self.release.enter()
        self._attempt()

    def body(self, data: bytes) -> None:
        self._send(b"%x\r\n%b\r\n" % (len(data), data) if self.head.chunked else data)

    def body_ended(self) -> None:
        self.sent = True
        if self.head.chunked:
            self._send(b"0\r\n\r\n")

    def raw(self, data: bytes) -> None:
        """What comes from the client after an upgrade."""
        if self._upstream is not None:
            self._upstream.transport.write(data)

    def client_slow(self, slow: bool) -> None:
        if self._upstream is not None:
            if slow:
                self._upstream.transport.pause_reading()
            else:
                self._upstream.transport.resume_reading()

    def client_gone(self) -> None:
        """Nobody waits for the answer any more; that is no error of the release."""
        if self._ended:
            return
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.exchange = None
            upstream.dead = True
            upstream.transport.close() if self.tunnel else upstream.close()
        self._end()

    def too_late(self) -> None:
        """No answer within ANSWER_TIMEOUT."""
        self._drop_upstream()
        self._refuse(504, f"{self._who()} did not answer within {ANSWER_TIMEOUT:g} s", error=True)

    # To a copy.

    def _attempt(self) -> None:
        release = self.release
        assert release is not None
        copy = release.pick(self._tried) if self._attempts < ATTEMPTS else None
        if copy is None:
            self._elsewhere()
            return
        self._attempts += 1
        self.copy = copy
        oldest = time.monotonic() - (_IDLE if self.head.method in IDEMPOTENT else _FRESH)
        pool = copy.pool
        while pool:
            since, upstream = pool.pop()
            if since >= oldest and not upstream.dead and not upstream.transport.is_closing():
                self._reused = True
                self._connected(upstream)
                return
            upstream.close()
        self._reused = False
        self._connecting = asyncio.get_running_loop().create_task(self._connect(copy))

    async def _connect(self, copy: Copy) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                _, upstream = await loop.create_connection(Upstream, "127.0.0.1", copy.record.port)
        except (OSError, TimeoutError):
            if not self._ended:
                self._tried.add(copy)
                self._attempt()
            return
        if self._ended:
            upstream.close()
        else:
            self._connected(upstream)

    def _connected(self, upstream: Upstream) -> None:
        self._upstream = upstream
        upstream.send(self)
        kept = self._kept
        assert kept is not None
        upstream.transport.write(self.head.data + b"".join(kept) if kept else self.head.data)
        if self.head.method not in IDEMPOTENT or self._size > BUFFER:
            self._kept = None
        if self.head.expects and not self._continued and not self._size:
            self._continued = True
            self.client.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.client.buffer_full(False)
        if self.client.slow:
            upstream.transport.pause_reading()

    def _send(self, data: bytes) -> None:
        self._size += len(data)
        upstream = self._upstream
        if self._kept is not None:
            self._kept.append(data)
            if self._size > BUFFER:
                if upstream is not None:
                    self._kept = None
                else:
                    self.client.buffer_full(True)
        if upstream is not None:
            upstream.transport.write(data)

    # From a copy.

    def slow_upstream(self, slow: bool) -> None:
        self.client.upstream_slow(slow)

    def answered(self, status: int) -> None:
        self._status = status

    def to_client(self, data: bytes) -> None:
        self.client.write(data)

    def finished(self, upstream: Upstream, again: bool) -> None:
        """The answer is complete; the connection can be used again if the copy and the request allow it."""
        copy = self.copy
        self._upstream = None
        if again and self.sent and copy is not None and copy.alive and len(copy.pool) < _POOL:
            if self.client.slow:
                upstream.transport.resume_reading()
            copy.pool.append((time.monotonic(), upstream))
        else:
            upstream.exchange = None
            upstream.close()
        self._count(self._status >= 500)
        self._end()
        self.client.done(self)

    def failed(self, upstream: Upstream, why: str) -> None:
        """The connection ended before the answer did."""
        self._drop_upstream(upstream)
        if self._status:
            self._count(True)
            self._end()
            self.client.cut()
            return
        copy = self.copy
        assert copy is not None
        if self.head.method in IDEMPOTENT and self._kept is not None:
            if self._reused:
                for _, idle in copy.pool:
                    idle.close()
                copy.pool.clear()
            else:
                self._tried.add(copy)
            self._attempt()
            return
        self._refuse(502, f"{self._who()} {why}", error=True)

    def switch(self) -> None:
        """101: from now on bytes go both ways unread."""
        self.tunnel = True
        self._count(False)
        self.client.tunnelled(self)

    def hang_up(self) -> None:
        """The copy ended the tunnel."""
        self._upstream = None
        self._end()
        self.client.close()

    # Ends.

    def _elsewhere(self) -> None:
        """No copy of the release took it: another release with traffic may. The error is the first one's."""
        release = self.release
        assert release is not None
        other = self.client.front.other_than(release)
        if other is not None and self._kept is not None and not self._moved:
            self._moved = True
            if not release.closed:
                self._count(True)
            release.leave()
            self.release, self._attempts = other, 0
            self._tried.clear()
            other.enter()
            self._attempt()
            return
        if self._tried or self._attempts:
            self._refuse(502, f"{self._who()} did not take the request", error=True)
        else:
            self._refuse(503, f"{self._who()} has no running copy", error=True)

    def _who(self) -> str:
        copy = f", copy {self.copy.record.name}," if self.copy is not None else ""
        version = self.release.version if self.release is not None else "none"
        return f"release {version} of {self.client.front.target}{copy}"

    def _refuse(self, status: int, why: str, *, error: bool = False) -> None:
        if error:
            self._count(True)
        self._status = status
        self._end()
        self.client.refuse(status, why, self.head.method == b"HEAD", keep=self.keep_alive and self.sent)
        self.client.done(self)

    def _count(self, error: bool) -> None:
        if self.release is not None:
            self.release.counts.add(time.time(), time.monotonic() - self.started, error)

    def _drop_upstream(self, upstream: Upstream | None = None) -> None:
        upstream = upstream or self._upstream
        self._upstream = None
        if upstream is not None:
            upstream.exchange = None
            upstream.close()

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            if self.release is not None:
                self.release.leave()
