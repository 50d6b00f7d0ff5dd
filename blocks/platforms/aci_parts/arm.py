"""Azure over HTTPS: one request at a time, with patience that ends."""

from __future__ import annotations

import asyncio
import random
import threading
import time
import weakref
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from blocks.platforms.aci_parts import answers
from blocks.platforms.aci_parts.credentials import Credentials
from domain.errors import PlatformError, Rejected, Unavailable

TIMEOUT = 30.0  # seconds for one answer
PATIENCE = 60.0  # seconds that one request is repeated when Azure asks for it
_TRIES = 6


class Gone(Rejected):
    """404: it is not there."""


class Changed(Rejected):
    """409 or 412: another one is there already, or it is not the one that was seen."""


class Arm:
    """The manager at `endpoint`; stores are asked by their whole address, with a token of their own."""

    def __init__(
        self, endpoint: str, credentials: Credentials, *, timeout: float = TIMEOUT, patience: float = PATIENCE
    ) -> None:
        self.endpoint, self.credentials = endpoint.rstrip("/"), credentials
        self.timeout, self.patience = timeout, patience
        self._client: httpx.Client | None = None
        self._connecting = threading.Lock()

    async def get(self, url: str, **options: Any) -> dict[str, Any]:
        """The resource. Gone when there is none."""
        return _json(await self.do("GET", url, **options), url)

    async def find(self, url: str) -> dict[str, Any] | None:
        """The resource, or None."""
        try:
            return await self.get(url)
        except Gone:
            return None

    async def every(self, url: str) -> AsyncIterator[dict[str, Any]]:
        """All of a list, page by page."""
        following: str | None = url
        while following:
            page = await self.get(following)
            for one in page.get("value", []):
                yield one
            following = page.get("nextLink")

    async def put(self, url: str, body: Any, *, headers: Mapping[str, str] | None = None, within: float = 0) -> None:
        """The resource is as `body` says. `within` waits so many seconds for the operation to end; 0 does not wait."""
        await self.ended(await self.do("PUT", url, json=body, headers=headers), within)

    async def delete(self, url: str, within: float) -> None:
        """It is gone; harmless when it was."""
        try:
            await self.ended(await self.do("DELETE", url), within)
        except Gone:
            return

    async def ended(self, answer: httpx.Response, within: float) -> None:
        """Returns when the operation that was begun has succeeded. Rejected when it failed, Unavailable when its time
        is over. https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations"""
        operation, location = answer.headers.get("azure-asyncoperation"), answer.headers.get("location")
        following, deadline = operation or location, time.monotonic() + within
        if not within or not following or answer.status_code not in (200, 201, 202):
            return
        while True:
            wait = answers.after(answer.headers, time.time())
            left = deadline - time.monotonic()
            if left <= 0:
                raise Unavailable(f"an operation of Azure has not ended within {within:g} s: {_named(following)}")
            await asyncio.sleep(min(left, 2.0 if wait is None else wait))
            answer = await self.do("GET", following)
            if not operation:
                if answer.status_code != 202:
                    return
                continue
            said = _json(answer, following)
            if said.get("status") == "Succeeded":
                return
            if said.get("status") in ("Failed", "Canceled"):
                code, message = answers.words(answer.content, answer.headers)
                raise Rejected(f"an operation of Azure has {said['status'].lower()}: {code} {message}".rstrip())

    async def do(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        scope: str | None = None,
    ) -> httpx.Response:
        """An answer 2xx. What was refused for now is asked again, later each time, while patience lasts: everything
        that is sent here sets a state, so that twice is as good as once."""
        deadline, renewed, attempt = time.monotonic() + self.patience, False, 0
        while True:
            try:
                answer = await asyncio.to_thread(self._once, method, url, json, content, headers or {}, scope, renewed)
                trouble: PlatformError = translated(method, url, answer)
            except httpx.TransportError as error:
                answer, trouble = None, Unavailable(f"no whole answer to {method} {_named(url)}: {_why(error)}")
            if answer is not None and answer.status_code < 400:
                if answers.exhausted(answer.headers):
                    await asyncio.sleep(answers.pause(0, answer.headers, random.random(), time.time()))
                return answer
            if answer is not None and answer.status_code == 401 and not renewed:
                renewed = True  # a kept token may have been taken back before its time
                continue
            if not isinstance(trouble, Unavailable):
                raise trouble
            given = answer.headers if answer is not None else {}
            wait = answers.pause(attempt, given, random.random(), time.time())
            attempt += 1
            if attempt >= _TRIES or time.monotonic() + wait > deadline:
                raise trouble
            await asyncio.sleep(wait)

    def _once(
        self,
        method: str,
        url: str,
        json: Any,
        content: bytes | None,
        headers: Mapping[str, str],
        scope: str | None,
        anew: bool,
    ) -> httpx.Response:
        whole = url if "://" in url else self.endpoint + url
        if scope is None and urlsplit(whole).netloc != urlsplit(self.endpoint).netloc:
            raise Rejected(f"Azure names another host to ask: {urlsplit(whole).hostname}")  # it would get our token
        token = self.credentials.token(scope or f"{self.endpoint}/.default", anew=anew)
        return self._connected().request(
            method, whole, json=json, content=content, headers={"Authorization": f"Bearer {token}", **headers}
        )

    def _connected(self) -> httpx.Client:
        with self._connecting:
            if self._client is None:
                self._client = httpx.Client(timeout=self.timeout, follow_redirects=False)
                weakref.finalize(self, self._client.close)
            return self._client


def translated(method: str, url: str, answer: httpx.Response) -> PlatformError:
    """The answer's no, as Gone or Changed where that is a fact to go on from."""
    trouble = answers.translated(f"{method} {_named(url)}", answer.status_code, answer.headers, answer.content)
    if isinstance(trouble, Rejected) and answer.status_code == 404:
        return Gone(trouble.message, fix=trouble.fix)
    if isinstance(trouble, Rejected) and answer.status_code in (409, 412):
        return Changed(trouble.message, fix=trouble.fix)
    return trouble


def _json(answer: httpx.Response, url: str) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError as error:
        raise Unavailable(f"Azure's answer to GET {_named(url)} is no JSON") from error
    return said if isinstance(said, dict) else {}


def _named(url: str) -> str:
    """The end of an address: what is asked for, without the query, which may hold a signature."""
    return "/".join(urlsplit(url).path.strip("/").split("/")[-2:])


def _why(error: httpx.TransportError) -> str:
    return "its time was over" if isinstance(error, httpx.TimeoutException) else str(error) or type(error).__name__
