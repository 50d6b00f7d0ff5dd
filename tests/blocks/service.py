"""The tiny service: HTTP/1.1 with keep-alive on asyncio, so that it is light enough to run by the dozen.

/            its version                     /status/503   that status
/healthz     200 (BROKEN=1: 500)            /slow/0.5     its version, after that time
/env/NAME    that variable                  /echo         the request's body, streamed back in chunks
/stream      ten lines over half a second   /big/1000000  that many bytes
/headers     the request's head             /crash        ends at once
/close       no answer, connection closed   /ws           an echo after Upgrade
/half        half of what it announced      /log/1000     that many bytes to the log
/eof         a body that ends with the connection
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator

VERSION = open("version.txt").read() if os.path.exists("version.txt") else os.environ.get("TES_VERSION", "?")
STOP = asyncio.Event()


async def head(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str], str]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = lines[0].split(" ")
    fields = [line.partition(":")[::2] for line in lines[1:] if line]
    return method, path, {name.strip().lower(): value.strip() for name, value in fields}, "\n".join(lines)


async def body(reader: asyncio.StreamReader, fields: dict[str, str]) -> AsyncIterator[bytes]:
    if fields.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            yield (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    else:
        left = int(fields.get("content-length", 0))
        while left:
            data = await reader.read(min(left, 65536))
            left -= len(data)
            yield data


def answer(writer: asyncio.StreamWriter, text: str, status: int = 200, method: str = "GET") -> None:
    data = text.encode()
    sizes = b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\n" % (status, len(data))
    closing = b"Connection: close\r\n" if STOP.is_set() else b""
    writer.write(sizes + closing + b"X-Version: %b\r\n\r\n" % VERSION.encode())
    if method != "HEAD":
        writer.write(data)


async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Whether the connection stays open."""
    method, path, fields, text = await head(reader)
    _, what, *rest = path.split("?")[0].split("/")
    value = rest[0] if rest else ""
    if what == "echo":
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        async for data in body(reader, fields):
            if data:
                writer.write(b"%x\r\n%b\r\n" % (len(data), data))
                await writer.drain()
        writer.write(b"0\r\n\r\n")
        return True
    async for _ in body(reader, fields):
        pass
    if what == "healthz":
        answer(writer, "ok", 500 if os.environ.get("BROKEN") or os.path.exists("sick") else 200)
    elif what == "status":
        if value in ("204", "304"):
            writer.write(b"HTTP/1.1 %b Said\r\nX-Version: %b\r\n\r\n" % (value.encode(), VERSION.encode()))
        else:
            answer(writer, VERSION, int(value))
    elif what == "slow":
        await asyncio.sleep(float(value))
        answer(writer, VERSION)
    elif what == "env":
        answer(writer, os.environ.get(value, ""))
    elif what == "headers":
        answer(writer, text)
    elif what == "big":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % int(value))
        for start in range(0, int(value), 65536):
            writer.write(b"x" * min(65536, int(value) - start))
            await writer.drain()
    elif what == "stream":
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(10):
            writer.write(b"2\r\n%d\n\r\n" % number)
            await writer.drain()
            await asyncio.sleep(0.05)
        writer.write(b"0\r\n\r\n")
    elif what == "eof":
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
        return False
    elif what == "half":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        return False
    elif what == "close":
        return False
    elif what == "crash":
        os._exit(3)
    elif what == "sick":
        open("sick", "w").close()
        answer(writer, "now sick")
    elif what == "log":
        sys.stdout.write("x" * (int(value) - 1) + "\n")
        answer(writer, "logged")
    elif what == "pid":
        answer(writer, str(os.getpid()))
    elif what == "ws":
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        return False
    else:
        await asyncio.sleep(float(os.environ.get("PAUSE", "0")))
        status = int(os.environ.get("STATUS", "200"))
        answer(writer, VERSION, status, method)
    return fields.get("connection", "").lower() != "close" and not STOP.is_set()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await one(reader, writer):
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main() -> None:
    await asyncio.sleep(float(os.environ.get("START_DELAY", "0")))
    server = await asyncio.start_server(serve, os.environ.get("HOST", "127.0.0.1"), int(sys.argv[1]), backlog=512)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, STOP.set)
    print("serving", VERSION)
    await STOP.wait()
    server.close()
    # What asks again is told that this connection ends, as servers do that lose no request.
    await asyncio.sleep(float(os.environ.get("LINGER", "0")))


asyncio.run(main())
