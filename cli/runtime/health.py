"""Does it answer? One small GET over a raw socket: an HTTP library costs more to import than the question to ask."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from urllib.parse import urlsplit

# Of one question while waiting: a server that starts, or a busy machine, takes its time; the question waits with it.
PATIENCE_S = 10.0


def answers(url: str, timeout: float) -> bool:
    """Whether a GET of this http:// address is answered with 200 within `timeout` seconds."""
    host, port, request = _question(url)
    try:
        with socket.create_connection((host, port), timeout) as connection:
            connection.settimeout(timeout)
            connection.sendall(request)
            return _is_200(connection.recv(64))
    except OSError:
        return False


async def wait(url: str, timeout: float, pause: float = 0.1) -> bool:
    """Whether it answers so before `timeout` seconds have passed. Not in a thread: a Ctrl-C would wait for that."""
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        with contextlib.suppress(OSError, TimeoutError):
            if await asyncio.wait_for(_asked(url), min(PATIENCE_S, left)):
                return True
        await asyncio.sleep(pause)
    return False


async def _asked(url: str) -> bool:
    host, port, request = _question(url)
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        return _is_200(await reader.read(64))
    finally:
        writer.close()


def _question(url: str) -> tuple[str, int, bytes]:
    parts = urlsplit(url)
    request = f"GET {parts.path or '/'} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n"
    return parts.hostname or "", parts.port or 80, request.encode()


def _is_200(answer: bytes) -> bool:
    line = answer.split(maxsplit=2)
    return len(line) > 1 and line[0].startswith(b"HTTP/") and line[1] == b"200"
