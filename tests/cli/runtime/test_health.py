"""Only a 200 in time is an answer."""

from __future__ import annotations

import asyncio

import pytest

from cli.runtime import health


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\ntrue", True),
        (b"HTTP/1.0 200\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False),
        (b"HTTP/1.1 404 Not 200\r\n\r\n", False),
        (b"", False),
        (b"not HTTP 200\r\n", False),
    ],
)
async def test_an_answer_is_a_200(reply: bytes, expected: bool) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/healthz"
        assert await asyncio.to_thread(health.answers, url, 2.0) is expected
        assert await health.wait(url, 0.3) is expected


async def test_a_server_that_accepts_and_says_nothing_does_not_answer() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await asyncio.to_thread(health.answers, f"http://127.0.0.1:{port}", 0.2) is False
        assert await health.wait(f"http://127.0.0.1:{port}", 0.2) is False


async def test_waiting_ends_when_nobody_comes() -> None:
    assert await health.wait("http://127.0.0.1:1/", 0.2) is False
