"""The front: HTTP as it is really spoken, switches under load, and requests that must be refused."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.blocks.local_subject import Load, LocalSubject, until
from tests.blocks.local_subject import client as connected
from tests.blocks.platform_contract import TARGET


async def exchange(address: str, *parts: bytes, pause: float = 0.0, limit: float = 5.0) -> bytes:
    """Sends the parts as they are; everything that comes until the connection ends, or until `limit`."""
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    received = b""
    try:
        for part in parts:
            writer.write(part)
            await asyncio.sleep(pause)
        async with asyncio.timeout(limit):
            while data := await reader.read(65536):
                received += data
    except (TimeoutError, ConnectionResetError):
        return received
    finally:
        writer.close()
    return received


CLOSE = b"Host: x\r\nConnection: close\r\n\r\n"


async def test_twenty_switches_under_load_fail_no_request(local: LocalSubject) -> None:
    lease = await local.stable("v0", replicas=2, warm=0.5)
    async with Load(await local.address(), connections=6) as load:
        for number in range(1, 6):
            version = f"v{number}"
            await local.provisioned(version, replicas=2, warm=0.5)
            await local.platform.shift(lease, version, 50)
            await local.wait(0.1)
            await local.platform.promote(lease, version)
            await local.wait(0.1)
            await local.platform.abort(lease, f"v{number - 1}")
            await local.provisioned(version, replicas=2, warm=0.5)
            await local.platform.promote(lease, version)
    assert load.failed == []
    assert set(load.answered) == {f"v{number}" for number in range(6)}


async def test_open_connections_follow_a_switch_at_once(local: LocalSubject) -> None:
    lease = await local.stable("v1")
    await local.provisioned("v2")
    async with connected(await local.address(), limits=httpx.Limits(max_connections=1)) as client:
        assert (await client.get("/")).text == "v1"
        await local.platform.promote(lease, "v2")
        assert (await client.get("/")).text == "v2"
        await local.platform.abort(lease, "v1")
        assert (await client.get("/")).text == "v1"


async def test_requests_in_flight_finish_on_the_old_release(local: LocalSubject) -> None:
    lease = await local.stable("v1")
    await local.stable("v2", drain=10.0)
    slow = asyncio.create_task(local.get("/slow/1.0"))
    await local.wait(0.3)
    started = time.monotonic()
    await local.platform.abort(lease, "v1")
    assert (await local.get("/")).text == "v1"
    answer = await slow
    assert (answer.status_code, answer.text) == (200, "v2")
    assert time.monotonic() - started < 3
    assert [one.release.version for one in (await local.platform.inspect(TARGET)).releases] == ["v1"]


async def test_draining_has_an_end(local: LocalSubject) -> None:
    lease = await local.stable("v1")
    await local.stable("v2", drain=0.5)
    hanging = asyncio.create_task(exchange(await local.address(), b"POST /slow/30 HTTP/1.1\r\n" + CLOSE))
    await local.wait(0.2)
    started = time.monotonic()
    await local.platform.abort(lease, "v1")
    assert time.monotonic() - started < 4
    assert b" 502 " in await hanging


async def test_bodies_stream_both_ways_at_once(shared: LocalSubject) -> None:
    size, piece = 30 << 20, os.urandom(1 << 16)
    host, port = (await shared.address()).removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))

    async def send() -> None:
        writer.write(b"POST /echo HTTP/1.1\r\nContent-Length: %d\r\n" % size + CLOSE)
        for _ in range(size // len(piece)):
            writer.write(piece)
            await writer.drain()

    sending = asyncio.create_task(send())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    received = 0
    while length := int(await reader.readline(), 16):
        received += length
        await reader.readexactly(length + 2)
    await sending
    writer.close()
    assert received == size


async def test_bodies_arrive_as_they_were_sent(shared: LocalSubject) -> None:
    piece = os.urandom(200_000)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(piece), 7001):
            yield piece[start : start + 7001]

    async with connected(await shared.address(), timeout=60) as client:
        assert (await client.post("/echo", content=piece)).content == piece
        assert (await client.post("/echo", content=pieces())).content == piece
        assert len((await client.get("/big/50000000")).content) == 50_000_000


async def test_a_slow_reader_does_not_fill_the_agents_memory(shared: LocalSubject) -> None:
    host, port = (await shared.address()).removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    before = _resident(shared.agent_pid())
    writer.write(b"GET /big/300000000 HTTP/1.1\r\n" + CLOSE)
    await shared.wait(1.0)
    assert _resident(shared.agent_pid()) - before < 30 << 20
    writer.transport.abort()
    assert (await shared.get("/")).text == "v1"


async def test_what_is_streamed_arrives_as_it_is_sent(shared: LocalSubject) -> None:
    moments = []
    async with connected(await shared.address()) as client, client.stream("GET", "/stream") as answer:
        text = ""
        async for data in answer.aiter_text():
            moments.append(time.monotonic())
            text += data
    assert text == "".join(f"{number}\n" for number in range(10))
    assert moments[-1] - moments[0] > 0.3


async def test_a_websocket_is_a_tunnel(local: LocalSubject) -> None:
    lease = await local.stable()
    host, port = (await local.address()).removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    upgrade = (
        b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n"
    )
    writer.write(upgrade + b"early")
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ") and b"Upgrade: websocket" in head
    assert await reader.readexactly(5) == b"early"
    for number in range(5):
        writer.write(b"x" * 100_000 + str(number).encode())
        assert (await reader.readexactly(100_001))[-1:] == str(number).encode()
    await local.stable("v2")
    writer.write(b"still")
    assert await reader.readexactly(5) == b"still"
    await local.platform.retire(lease, "v1")
    assert await reader.read() == b""


async def test_an_upgrade_that_is_declined_goes_on_in_http(shared: LocalSubject) -> None:
    upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n"
    for token in (b"websocket", b"h2c"):
        answer = await exchange(
            await shared.address(), upgrade % token, b"GET /status/404 HTTP/1.1\r\n" + CLOSE, pause=0.1
        )
        assert answer.count(b"HTTP/1.1 200 ") == 1 and answer.count(b"HTTP/1.1 404 ") == 1


async def test_answers_without_a_body_end_where_they_end(shared: LocalSubject) -> None:
    async with connected(await shared.address(), limits=httpx.Limits(max_connections=1)) as client:
        for _ in range(3):
            head = await client.head("/")
            assert (head.status_code, head.headers["content-length"], head.content) == (200, "2", b"")
            assert (await client.get("/status/204")).status_code == 204
            assert (await client.get("/status/304")).status_code == 304
            assert (await client.get("/eof")).text == "until the end"
            assert (await client.get("/")).text == "v1"


async def test_http_1_0_clients_are_served(shared: LocalSubject) -> None:
    answer = await exchange(await shared.address(), b"GET /stream HTTP/1.0\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n" + b"".join(b"%d\n" % number for number in range(10)))
    kept = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    assert (await exchange(await shared.address(), kept, b"GET / HTTP/1.0\r\n\r\n", pause=0.1)).count(b" 200 ") == 2


async def test_pipelined_requests_are_answered_in_order(shared: LocalSubject) -> None:
    wanted = [b"404", b"201", b"500", b"204", b"202"]
    text = b"".join(b"GET /status/%b HTTP/1.1\r\nHost: x\r\n\r\n" % status for status in wanted)
    answer = await exchange(await shared.address(), text + b"GET / HTTP/1.1\r\n" + CLOSE)
    assert re.findall(rb"HTTP/1.1 (\d+) ", answer) == [*wanted, b"200"]


@pytest.mark.parametrize("size", [1, 2, 7, 64])
async def test_it_does_not_matter_how_a_request_is_cut_up(shared: LocalSubject, size: int) -> None:
    text = (
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
        b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
        b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET /status/404 HTTP/1.1\r\n" + CLOSE
    )
    parts = [text[start : start + size] for start in range(0, len(text), size)]
    answer = await exchange(await shared.address(), *parts)
    assert re.findall(rb"HTTP/1.1 (\d+) ", answer) == [b"200", b"200", b"200", b"404"]
    assert b"".join(re.findall(rb"\r\n[1-5]\r\n([a-o]+)", answer)) == b"helloabcde"


async def test_expect_100_continue_is_answered(shared: LocalSubject) -> None:
    head = b"POST /echo HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n" + CLOSE
    answer = await exchange(await shared.address(), head, b"hello", pause=0.3)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK") and b"hello" in answer


async def test_forwarded_headers_are_added_and_hop_by_hop_ones_dropped(local: LocalSubject) -> None:
    await local.stable()
    head = (
        b"GET /headers HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 10.1.1.1\r\nTE: trailers\r\nX-Private: 1\r\n"
        b"Proxy-Authorization: secret\r\nConnection: close, X-Private\r\nX-Kept: 1\r\n\r\n"
    )
    text = (await exchange(await local.address(), head)).partition(b"\r\n\r\n")[2].decode()
    assert "X-Forwarded-For: 10.1.1.1, 127.0.0.1" in text
    assert "X-Forwarded-Host: shop.example" in text and "X-Forwarded-Proto: http" in text and "X-Kept: 1" in text
    assert not any(word in text for word in ("TE:", "X-Private", "Proxy-Authorization", "Connection"))


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\nabcd", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: a\nY: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc", 400),
        (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n", 417),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 300 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000, 431),
        (b"\x16\x03\x01 this is TLS\r\n\r\n", 400),
    ],
)
async def test_ambiguous_requests_are_refused(shared: LocalSubject, head: bytes, status: int) -> None:
    """Refused, the connection closed, and nothing of it seen by the service."""
    follower = b"GET /status/299 HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = await exchange(await shared.address(), head + follower, limit=1.0)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert b" 299 " not in answer


async def test_an_absolute_target_outranks_the_host_header(shared: LocalSubject) -> None:
    answer = await exchange(await shared.address(), b"GET http://other:81/headers?a=b HTTP/1.1\r\n" + CLOSE)
    assert b"GET /headers?a=b HTTP/1.1\nHost: other:81" in answer


async def test_errors_say_which_release(shared: LocalSubject) -> None:
    broken = await shared.get("/close")
    assert broken.status_code == 502 and "release v1 of shop in staging" in broken.text
    since = time.time()
    await shared.wait(0.25)
    assert (await shared.get("/status/503")).text == "v1"
    with pytest.raises(httpx.RemoteProtocolError):
        await shared.get("/half")
    measured = await shared.platform.traffic(TARGET, "v1", since)
    assert (measured.requests, measured.errors) == (2, 2)


async def test_a_post_is_never_said_twice(local: LocalSubject) -> None:
    await local.stable(replicas=2)
    async with connected(await local.address()) as client:
        for _ in range(3):
            assert (await client.post("/close")).status_code == 502
        assert (await client.post("/echo", content=b"on")).content == b"on"


async def test_latencies_are_measured(shared: LocalSubject) -> None:
    since = time.time()
    await shared.wait(0.25)
    await asyncio.gather(*(shared.get("/slow/0.2") for _ in range(10)))
    measured = await shared.platform.traffic(TARGET, "v1", since)
    assert measured.requests == 10 and 0.19 < measured.p50 < 0.5


async def test_a_stable_takes_what_a_dead_candidate_drops(local: LocalSubject) -> None:
    """The public sees no error; the candidate's counts do."""
    lease = await local.stable("v1")
    await local.provisioned("v2", command=("python", "-S", "service.py", "${PORT}"))
    await local.platform.shift(lease, "v2", 50)
    since = time.time()
    await local.wait(0.25)
    (copy,) = await local.copies("v2")
    os.kill(copy.pid or 0, signal.SIGSTOP)
    os.kill(copy.pid or 0, signal.SIGKILL)
    answered = await local.send(40)
    assert answered.total() == 40 and set(answered) <= {"v1", "v2"} and answered["v1"] >= 20
    measured = await local.platform.traffic(TARGET, "v2", since)
    assert measured.errors >= 1 or answered["v2"] >= 19


async def test_without_a_release_the_front_says_so(local: LocalSubject) -> None:
    await local.provisioned("v1")
    answer = await local.get("/")
    assert answer.status_code == 503 and "no release of shop in staging has the traffic" in answer.text
    await local.platform.promote(await local.lease(), "v1")
    await until(lambda: _answers(local))


async def _answers(local: LocalSubject) -> bool:
    return (await local.get("/")).status_code == 200


def _resident(pid: int) -> int:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
