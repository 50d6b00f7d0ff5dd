"""Does it answer? One small GET over a raw socket: an HTTP library costs more to import than the question to ask."""

from __future__ import annotations

import asyncio
import socket
import time
from urllib.parse import urlsplit


def answers(url: str, timeout: float) -> bool:
    """Whether a GET of this http:// address is answered with 200 within `timeout` seconds."""
    parts = urlsplit(url)
    request = f"GET {parts.path or '/'} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode()
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout) as connection:
            connection.settimeout(timeout)
            connection.sendall(request)
            line = connection.recv(64).split(maxsplit=2)
            return len(line) > 1 and line[0].startswith(b"HTTP/") and line[1] == b"200"
    except OSError:
        return False


async def wait(url: str, timeout: float, pause: float = 0.1) -> bool:
    """Whether it answers before `timeout` seconds have passed."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if await asyncio.to_thread(answers, url, 2.0):
            return True
        await asyncio.sleep(pause)
    return False
