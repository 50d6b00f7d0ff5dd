"""Sends requests at a steady rate and keeps count: what a client of the service sees."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import httpx

from domain.errors import PlatformError
from domain.load import LoadSummary, quantile
from domain.spec import Request
from tasks.lanes import Lane

TIMEOUT = 5.0
# The share of requests that may fail where tes.yaml says nothing about it.
ERRORS = 0.0


def problem(request: Request, status: int, body: str) -> str | None:
    """Why an answer is not the wanted one, or None."""
    if request.status is not None and status != request.status:
        return f"{request.method} {request.path}: {status}, wanted {request.status}"
    if request.status is None and not 200 <= status < 400:
        return f"{request.method} {request.path}: {status}"
    if request.contains is not None and request.contains not in body:
        return f"{request.method} {request.path}: the body lacks {request.contains!r}"
    return None


class Smoke:
    """An open-model sender: a slow answer does not slow the sending down, so no bad second is left out.

    One lane an address; each lane gets `rate` requests a second in turn.
    """

    def __init__(self, ways: Sequence[Lane], requests: Sequence[Request], rate: float) -> None:
        self.ways, self.requests, self.rate = tuple(ways), tuple(requests), rate
        self.latencies: list[float] = []
        self.failures: list[str] = []
        self._flying: set[asyncio.Task[None]] = set()
        self._began = time.monotonic()

    async def _send(self, client: httpx.AsyncClient, way: Lane, request: Request) -> None:
        began = time.monotonic()
        try:
            if isinstance(way, str):
                answer = await client.request(
                    request.method, way + request.path, headers=request.headers, json=request.json_body
                )
                wrong = problem(request, answer.status_code, answer.text)
            else:
                wrong = problem(request, *await asyncio.wait_for(way(request), TIMEOUT))
        except (PlatformError, TimeoutError) as error:
            wrong = f"{request.method} {request.path}: {error or f'no answer within {TIMEOUT:g} s'}"
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:  # ValueError: a header that cannot be sent
            wrong = f"{request.method} {request.path}: {type(error).__name__} {error}"
        self.latencies.append(time.monotonic() - began)
        if wrong:
            self.failures.append(wrong)

    async def run(self, seconds: float) -> None:
        """Sends for that long, then waits for the answers that are still out. Every request is sent at least once."""
        async with httpx.AsyncClient(timeout=TIMEOUT) as client:
            self._began = time.monotonic()
            count = max(len(self.requests), int(seconds * self.rate))
            try:
                for number in range(count):
                    await asyncio.sleep(max(0.0, self._began + number * seconds / count - time.monotonic()))
                    request = self.requests[number % len(self.requests)]
                    for way in self.ways:
                        task = asyncio.create_task(self._send(client, way, request))
                        self._flying.add(task)
                        task.add_done_callback(self._flying.discard)
                await asyncio.sleep(max(0.0, self._began + seconds - time.monotonic()))
                await asyncio.gather(*self._flying)
            finally:
                for task in self._flying:
                    task.cancel()

    def summary(self) -> LoadSummary:
        """What was seen so far."""
        took = time.monotonic() - self._began
        ordered = sorted(self.latencies)
        count = len(ordered)
        return LoadSummary(
            generator="smoke",
            requests=count,
            failed=len(self.failures),
            seconds=took,
            rate=count / took if took else 0.0,
            p50=quantile(ordered, 0.5),
            p90=quantile(ordered, 0.9),
            p95=quantile(ordered, 0.95),
            p99=quantile(ordered, 0.99),
            max=ordered[-1] if ordered else 0.0,
            checks=1 - len(self.failures) / count if count else None,
        )
