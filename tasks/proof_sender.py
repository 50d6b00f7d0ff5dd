"""A load of constant rate in a thread of its own: whatever keeps the rollout's event loop busy delays no request.

An open model: a request leaves when it is due, whether or not earlier ones were answered, and its time counts from
then. One that finds too many under way is counted as unsent. Connections are kept alive, and nothing is sent again.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import httpx

from domain.proof_count import Answer
from domain.redaction import redact

UNDER_WAY = 200
"""Requests at once, and so connections."""
LONGEST = 200
"""Characters of a reason."""


def why(error: BaseException) -> str:
    """The reason that the system gave, such as `Connection refused`; else the error's own words."""
    for one in _causes(error):
        if isinstance(one, OSError) and one.errno is not None and one.errno > 0:
            return os.strerror(one.errno)
        if isinstance(one, socket.gaierror):
            return str(one.strerror)[:LONGEST]
    return redact(f"{type(error).__name__} {error}".strip())[:LONGEST]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What an error came of, the nearest first."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _causes(one)
    beneath = error.__cause__ or error.__context__
    if beneath is not None:
        yield from _causes(beneath)


class Sender:
    """Asks one address `rate` times a second, from `start` until `stop`, and gives each answer to `heard`, in its own
    thread. A request is lost when it has no answer within `timeout` seconds, or another than 2xx and 3xx."""

    def __init__(
        self, url: str, rate: float, timeout: float, header: str, heard: Callable[[Answer], None], most: int = UNDER_WAY
    ) -> None:
        self.url, self.rate, self.timeout, self.header, self.most = url, rate, timeout, header, most
        self.broken: BaseException | None = None
        self.answered = threading.Event()
        """The first answer came, or its failure."""
        self._heard = heard
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tes-proof", daemon=True)
        self._flying: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._thread.start()

    def stop(self, patience: float) -> bool:
        """Sends no more, and waits for the answers that are still out, at most that many seconds. Whether all of them
        came or were given up; when not, they are in no count."""
        self._stop.set()
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            asyncio.run(self._run())
        except Exception as error:  # evidence that breaks must not break the rollout; it is told in the proof
            self.broken = error

    async def _run(self) -> None:
        limits = httpx.Limits(max_connections=self.most, max_keepalive_connections=self.most)
        # Authorities are loaded where they are needed: it takes a while.
        secure = self.url.startswith("https:")
        async with httpx.AsyncClient(timeout=self.timeout, limits=limits, verify=secure) as client:
            began, number = time.time(), 0
            while not self._stop.is_set():
                due = began + number / self.rate
                # A long pause would keep whoever stops us waiting.
                if (pause := due - time.time()) > 0:
                    await asyncio.sleep(min(pause, 0.05))
                    continue
                number += 1
                if len(self._flying) >= self.most:
                    self._heard(Answer(due, unsent=True))
                    continue
                task = asyncio.create_task(self._one(client, due))
                self._flying.add(task)
                task.add_done_callback(self._flying.discard)
            await asyncio.gather(*self._flying)

    async def _one(self, client: httpx.AsyncClient, due: float) -> None:
        version, wrong = "", ""
        try:
            async with asyncio.timeout(self.timeout):
                answer = await client.get(self.url)
            version = answer.headers.get(self.header, "")
            wrong = "" if 200 <= answer.status_code < 400 else f"status {answer.status_code}"
        except TimeoutError:
            wrong = f"no answer within {self.timeout:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            wrong = why(error)
        self._heard(Answer(due, time.time() - due, version, wrong))
        self.answered.set()
