"""The local platform under test: real processes, a real front, everything stopped afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from blocks.platforms.local import LocalPlatform
from blocks.platforms.local_agent import process
from blocks.platforms.local_agent.state import AgentState, load_state
from domain.place import CopyState, Lease, Release
from tests.blocks import bundles
from tests.blocks.platform_contract import TARGET, Subject

_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used: reading the machine's certificates takes 30 ms a client


def client(address: str, **options: Any) -> httpx.AsyncClient:
    """For plain HTTP."""
    return httpx.AsyncClient(base_url=address, verify=_TLS, **options)


class Connection:
    """Kept alive, in bytes: by the thousand, a client library would take most of the suite's time."""

    def __init__(self, address: str) -> None:
        self._port = int(address.rpartition(":")[2])

    async def __aenter__(self) -> Connection:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def get(self, path: str) -> tuple[int, str]:
        """Status and body. OSError or EOFError when there is no whole answer within 10 s."""
        async with asyncio.timeout(10):
            self._writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            size = int(head.lower().partition("content-length:")[2].split()[0])
            return int(head.split(" ")[1]), (await self._reader.readexactly(size)).decode()


class LocalSubject(Subject):
    patience = 0.6

    def __init__(self, home: Path, **options: Any) -> None:
        self.home = home
        self.platform = LocalPlatform(home=home, **options)
        self.folder = home / "environments" / TARGET.environment / TARGET.service

    def release(self, version: str, *, healthy: bool = True, **changes: Any) -> Release:
        if not healthy:
            changes["environment"] = {"BROKEN": "1"} | changes.get("environment", {})
        return bundles.release(self.home, version, **changes)

    async def lease(self) -> Lease:
        return await self.platform.acquire(TARGET, "rollout-1", 60.0)

    async def provisioned(self, version: str, **changes: Any) -> Lease:
        lease = await self.lease()
        await self.platform.provision(lease, self.release(version, **changes))
        ready, why = await self.platform.wait_ready(TARGET, version, 20.0)
        assert ready, why
        return lease

    async def stable(self, version: str = "v1", **changes: Any) -> Lease:
        """Promoted, and answering on `address`."""
        lease = await self.provisioned(version, **changes)
        await self.platform.promote(lease, version)
        return lease

    async def address(self) -> str:
        return (await self.platform.inspect(TARGET)).address

    async def copies(self, version: str = "v1") -> tuple[CopyState, ...]:
        state = (await self.platform.inspect(TARGET)).of(version)
        return state.copies if state else ()

    async def send(self, number: int) -> Counter[str]:
        async with Connection(await self.address()) as connection:
            answers = [await connection.get("/") for _ in range(number)]
        assert {status for status, _ in answers} <= {200}, answers
        return Counter(text for _, text in answers)

    async def get(self, path: str) -> httpx.Response:
        async with client(await self.address(), timeout=20) as one:
            return await one.get(path)

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def now(self) -> float:
        return time.time()

    def state(self) -> AgentState:
        state = load_state(self.folder)
        assert state is not None
        return state

    def agent_pid(self) -> int:
        return int(json.loads((self.folder / "agent.json").read_text())["pid"])

    def kill_agent(self) -> None:
        """kill -9, and gone."""
        pid = self.agent_pid()
        os.kill(pid, signal.SIGKILL)
        while process.birth(pid) is not None:
            time.sleep(0.01)


async def until(condition: Any, seconds: float = 10.0) -> None:
    """Waits for an async condition; fails when it does not come true."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


class Load:
    """Constant requests over keep-alive connections; every answer that is not 200 is kept."""

    def __init__(self, address: str, connections: int = 4, path: str = "/") -> None:
        self.address, self.path = address, path
        self.answered: Counter[str] = Counter()
        self.failed: list[str] = []
        self._connections = connections
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Load:
        self._tasks = [asyncio.create_task(self._send()) for _ in range(self._connections)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self) -> None:
        while True:
            try:
                async with Connection(self.address) as connection:
                    await self._use(connection)
            except (OSError, EOFError) as error:
                self.failed.append(repr(error))
                await asyncio.sleep(0.01)

    async def _use(self, connection: Connection) -> None:
        while True:
            status, text = await connection.get(self.path)
            if status == 200:
                self.answered[text] += 1
            else:
                self.failed.append(f"{status} {text}")
            await asyncio.sleep(0.004)


class NewConnections:
    """A connection for each request, begun at a constant rate whatever becomes of those before it."""

    MOST_AT_ONCE = 30  # requests that may be with the agent at one moment, on a machine that is busy

    def __init__(self, address: str, rate: float) -> None:
        self._port, self._rate = int(address.rpartition(":")[2]), rate
        self.failed: list[tuple[float, str]] = []
        self._good: list[tuple[float, float]] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def answered(self) -> int:
        return len(self._good)

    def answered_since(self, moment: float) -> int:
        """How many that began after it have their answer."""
        return sum(began > moment for began, _ in self._good)

    def first_answer_after(self, moment: float) -> float:
        """When the first that began after it had its answer."""
        return min(ended for began, ended in self._good if began > moment)

    async def __aenter__(self) -> NewConnections:
        self._clock = asyncio.create_task(self._begin())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._clock.cancel()
        await asyncio.gather(*self._tasks)

    async def _begin(self) -> None:
        started = time.monotonic()
        while True:
            self._tasks.append(asyncio.create_task(self._one()))
            await asyncio.sleep(max(0.0, started + len(self._tasks) / self._rate - time.monotonic()))

    async def _one(self) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(15):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = await reader.read()
                writer.close()
        except OSError as error:  # TimeoutError is one
            self.failed.append((began, repr(error)))
            return
        if answer.startswith(b"HTTP/1.1 200 "):
            self._good.append((began, time.monotonic()))
        else:
            self.failed.append((began, answer[:60].decode() or "no answer"))
