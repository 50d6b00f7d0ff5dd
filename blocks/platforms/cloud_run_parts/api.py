"""Google's REST APIs behind one door: tokens, back-off, operations, and failures in our words.

The client is a blocking one, in threads: one connection pool serves every event loop that asks.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from blocks.platforms.cloud_run_parts import answers
from blocks.platforms.cloud_run_parts.credentials import Token
from domain.errors import Unavailable

T = TypeVar("T")
_log = logging.getLogger(__name__)
_NOTE = 15.0  # seconds between two words about something that takes long


@dataclass(frozen=True)
class Patience:
    """Seconds, but for `tries`: how often a request is sent that was throttled, or that only reads."""

    call: float = 30.0
    tries: int = 5
    first: float = 0.5
    most: float = 20.0
    operation: float = 300.0
    poll: float = 1.0


class Api:
    """One Google API at one address, e.g. https://run.googleapis.com."""

    def __init__(self, url: str, token: Token, patience: Patience) -> None:
        self.url, self.token, self.patience = url.rstrip("/"), token, patience
        self._client: httpx.Client | None = None
        self._making = threading.Lock()

    async def get(self, path: str, what: str, **query: str) -> dict[str, Any]:
        """The resource. Missing where there is none; else as `call`."""
        return await self.call("GET", path, what, query=query)

    async def every(self, path: str, key: str, what: str, **query: str) -> list[dict[str, Any]]:
        """All of a list, page by page."""
        found: list[dict[str, Any]] = []
        while True:
            page = await self.get(path, what, **query)
            found += page.get(key, [])
            if not page.get("nextPageToken"):
                return found
            query["pageToken"] = page["nextPageToken"]

    async def call(
        self, method: str, path: str, what: str, *, body: Any = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The answer. What was throttled is sent again, and what only reads: for at most `patience.most` seconds, in
        growing times with chance in them, and not before `Retry-After`. Unavailable after that; nothing else that
        changes something is repeated, because nobody knows whether it was done."""
        began = time.monotonic()
        for attempt in range(1, self.patience.tries + 1):
            try:
                return await asyncio.to_thread(self._once, method, path, what, body, dict(query or {}))
            except _Again as again:
                pause = again.after if again.after is not None else self._pause(attempt)
                over = attempt == self.patience.tries or time.monotonic() - began + pause > self.patience.most
                if over or not (again.throttled or method == "GET"):
                    raise again.error from again.__cause__
                await asyncio.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _pause(self, attempt: int) -> float:
        """Full jitter. Method: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/"""
        return random.uniform(0.1, 1.0) * self.patience.first * 2.0 ** (attempt - 1)

    def _once(self, method: str, path: str, what: str, body: Any, query: dict[str, str]) -> dict[str, Any]:
        try:
            answer = self._connected().request(
                method, f"{self.url}/{path}", json=body, params=query, headers=self.token.headers()
            )
            said = answer.json() if answer.content else {}
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = str(error) or type(error).__name__
            raise _Again(Unavailable(f"{self.url} does not answer, {what}: {why}")) from error
        except ValueError as error:
            if answer.is_success:
                raise _Again(Unavailable(f"{self.url} broke off its answer, {what}")) from error
            said = {}
        if answer.is_success and isinstance(said, dict):
            return said
        failed = said.get("error") if isinstance(said, dict) else None
        failure = answers.failure(answer.status_code, failed if isinstance(failed, dict) else {}, what)
        if isinstance(failure, Unavailable):
            after = answer.headers.get("Retry-After", "")
            throttled = answer.status_code == 429 or (answer.status_code == 503 and after != "")
            raise _Again(failure, throttled, float(after) if after.isdigit() else None)
        raise failure

    async def done(self, operation: Mapping[str, Any], what: str) -> dict[str, Any]:
        """What a long-running operation gave, once it is over. Its error as ours; Unavailable when it takes longer than
        `patience.operation`: it may still succeed."""

        async def over() -> Mapping[str, Any] | None:
            now = await self.get(f"v2/{operation['name']}", what)
            return now if now.get("done") else None

        ended = operation if operation.get("done") else await until(over, self.patience, what)
        if "error" in ended:
            raise answers.told(ended["error"], what)
        return dict(ended.get("response", {}))

    def _connected(self) -> httpx.Client:
        with self._making:
            if self._client is None:
                self._client = httpx.Client(timeout=self.patience.call)
                weakref.finalize(self, self._client.close)
            return self._client


class _Again(Exception):
    """A failure that a repetition may cure. `throttled`: nothing was done. `after`: seconds, as the answer says."""

    def __init__(self, error: Unavailable, throttled: bool = False, after: float | None = None) -> None:
        super().__init__(str(error))
        self.error, self.throttled, self.after = error, throttled, after


async def until(look: Callable[[], Awaitable[T | None]], patience: Patience, what: str) -> T:
    """What `look` gives as soon as it gives something, said from time to time. Unavailable after
    `patience.operation`."""
    began = noted = time.monotonic()
    while True:
        found = await look()
        if found is not None:
            return found
        now = time.monotonic()
        if now - began > patience.operation:
            raise Unavailable(f"Cloud Run, {what}: not done after {patience.operation:g} s", fix="look again later")
        if now - noted > _NOTE:
            noted = now
            _log.info("%s: not done after %.0f s", what, now - began)
        await asyncio.sleep(patience.poll)
