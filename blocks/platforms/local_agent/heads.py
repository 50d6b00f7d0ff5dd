"""Message heads: what a proxy must drop, add and refuse (RFC 9110 section 7.6, RFC 9112 sections 3, 6 and 11.2)."""

from __future__ import annotations

import httptools

Headers = list[tuple[bytes, bytes]]

_HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
_OURS = frozenset((b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"expect", b"host"))
IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))


class Refused(Exception):
    """A request that is not passed on."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class RequestHead:
    """A request's head as it goes upstream, and what the front must know of it. Refused when it is ambiguous: two
    readers of one message must not see two different messages."""

    __slots__ = ("method", "data", "chunked", "has_body", "expects", "upgrade", "keep_alive", "old")

    def __init__(
        self, method: bytes, url: bytes, headers: Headers, version: str, keep_alive: bool, client: bytes
    ) -> None:
        self.method, self.keep_alive = method, keep_alive
        self.old = version != "1.1"
        self.chunked = self.has_body = self.expects = self.upgrade = False
        host = forwarded = forwarded_host = forwarded_proto = token = length = None
        coding, listed = b"", b""
        kept = []
        for name, value in headers:
            lower = name.lower()
            if lower in _OURS:
                if lower == b"host":
                    if host is not None:
                        raise Refused(400, "two Host headers")
                    host = value
                elif lower == b"expect":
                    self.expects = value.lower() == b"100-continue"
                    if not self.expects:
                        raise Refused(417, "only 100-continue can be expected")
                elif lower == b"x-forwarded-for":
                    forwarded = value if forwarded is None else forwarded + b", " + value
                elif lower == b"x-forwarded-host":
                    forwarded_host = value
                else:
                    forwarded_proto = value
            elif lower in _HOP_BY_HOP:
                if lower == b"transfer-encoding":
                    coding = coding + b"," + value if coding else value
                elif lower == b"connection":
                    listed += b"," + value.lower()
                elif lower == b"upgrade":
                    token = value
            else:
                if lower == b"content-length":
                    if length is not None or not value.isdigit():
                        raise Refused(400, "Content-Length is given twice or is not a number")
                    length = value
                kept.append((lower, name, value))
        if coding:
            if length is not None:
                raise Refused(400, "both Content-Length and Transfer-Encoding")
            if self.old or coding.strip().lower() != b"chunked":
                raise Refused(400 if self.old else 501, "Transfer-Encoding can only be chunked, in HTTP/1.1")
            self.chunked = True
        self.has_body = self.chunked or (length is not None and int(length) > 0)
        if host is None and not self.old:
            raise Refused(400, "no Host header")
        if method == b"CONNECT":
            raise Refused(405, "CONNECT is not for a reverse proxy")
        if not url.startswith(b"/") and url != b"*":
            url, host = _origin_form(url)
        connection = [word.strip() for word in listed.split(b",")] if listed else []
        if token is not None and b"upgrade" in connection and token.lower() != b"h2c":
            if self.has_body:
                raise Refused(400, "an upgrade with a body")
            self.upgrade = True
        lines = [method + b" " + url + b" HTTP/1.1"]
        if host is not None:
            lines.append(b"Host: " + host)
        lines += (
            [name + b": " + value for lower, name, value in kept if lower not in connection]
            if connection
            else [name + b": " + value for _, name, value in kept]
        )
        if self.chunked:
            lines.append(b"Transfer-Encoding: chunked")
        lines.append(b"X-Forwarded-For: " + (client if forwarded is None else forwarded + b", " + client))
        if forwarded_host or host:
            lines.append(b"X-Forwarded-Host: " + (forwarded_host or host or b""))
        lines.append(b"X-Forwarded-Proto: " + (forwarded_proto or b"http"))
        if self.upgrade and token is not None:
            lines += [b"Connection: Upgrade", b"Upgrade: " + token]
        joined = b"\r\n".join(lines)
        if joined.count(b"\n") != len(lines) - 1 or joined.count(b"\r") != len(lines) - 1 or b"\0" in joined:
            raise Refused(400, "a control character in a header")
        self.data = joined + b"\r\n\r\n"


def _origin_form(url: bytes) -> tuple[bytes, bytes]:
    """(path and query, host) of `http://host/path?query`, which outranks the Host header."""
    try:
        parsed = httptools.parse_url(url)
    except httptools.HttpParserInvalidURLError as error:
        raise Refused(400, "a target that is no URL") from error
    if not parsed.host:
        raise Refused(400, "a target without a host")
    host = parsed.host if parsed.port is None else parsed.host + b":%d" % parsed.port
    path = parsed.path or b"/"
    return (path + b"?" + parsed.query if parsed.query else path), host


class ResponseHead:
    """A response's head as it goes to the client, and how its body is framed on both sides."""

    __slots__ = ("data", "chunk", "until_close", "length")

    def __init__(
        self, status: int, reason: bytes, headers: Headers, *, bodiless: bool, old: bool, keep_alive: bool
    ) -> None:
        length, chunked, upgrade = None, False, None
        listed = b""
        kept = []
        for name, value in headers:
            lower = name.lower()
            if lower in _HOP_BY_HOP:
                if lower == b"transfer-encoding":
                    chunked = True
                elif lower == b"connection":
                    listed += b"," + value.lower()
                elif lower == b"upgrade":
                    upgrade = value
            elif lower == b"content-length":
                length = value
            else:
                kept.append((lower, name, value))
        connection = [word.strip() for word in listed.split(b",")] if listed else []
        lines = [b"HTTP/1.1 %d " % status + reason]
        lines += [name + b": " + value for lower, name, value in kept if lower not in connection]
        self.chunk = self.until_close = False
        self.length = length
        if status == 101:
            lines += [b"Connection: Upgrade", b"Upgrade: " + (upgrade or b"")]
        elif length is not None and not chunked:
            lines.append(b"Content-Length: " + length)
        elif not bodiless:
            self.until_close = not chunked
            # An HTTP/1.0 client knows no chunks: for it the end of the connection is the end of the body.
            self.chunk = not old
            lines.append(b"Transfer-Encoding: chunked" if self.chunk else b"Connection: close")
        if status != 101 and not (self.until_close and old):
            if not keep_alive:
                lines.append(b"Connection: close")
            elif old:
                lines.append(b"Connection: keep-alive")
        self.data = b"\r\n".join(lines) + b"\r\n\r\n"
