"""A release's copies: one container group each, with the name of its seat."""

from __future__ import annotations

import asyncio
import secrets as randomness
import ssl
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import httpx

from blocks.platforms.aci_parts import group, instance
from blocks.platforms.aci_parts.arm import Arm, Gone
from blocks.platforms.aci_parts.instance import Copy
from blocks.platforms.aci_parts.names import Names, digest, owned, target_of
from domain.charter import Placed
from domain.errors import Unavailable
from domain.place import Job, JobResult, Release
from domain.spec import Health

TIMED_OUT = 124
_OUTPUT = 100_000  # letters of a job's output that are kept
_GONE = 300.0  # seconds that a group may take to be deleted
_PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used: copies are asked over plain HTTP


class Copies:
    """Of one target, in one resource group (`group` is its path)."""

    def __init__(self, arm: Arm, group_path: str, names: Names, setting: group.Setting, poll: float) -> None:
        self.arm, self.names, self.setting, self.poll = arm, names, setting, poll
        self.folder = f"{group_path}/providers/Microsoft.ContainerInstance/containerGroups"

    def url(self, name: str, more: str = "", query: str = "") -> str:
        return f"{self.folder}/{name}{more}?api-version={group.API}{query}"

    async def start(self, placed: Placed, secrets: Mapping[str, str]) -> None:
        """Every seat of the release has a group that runs or is starting. One that has ended is made anew."""
        there = {one.seat: one for one in await self.seen(placed.seats)}
        wanted = digest(placed.release)

        async def one(seat: int) -> None:
            here, name = there.get(seat), self.names.copy(seat)
            if here is not None and here.digest == wanted and here.usable:
                return
            if here is not None:
                await self.remove([name])
            tags = self.names.copy_tags(placed, seat)
            await self.arm.put(self.url(name), group.copy(self.setting, name, tags, placed.release, secrets))

        await together(one(seat) for seat in placed.seats)

    async def seen(self, seats: Iterable[int]) -> list[Copy]:
        """Those that are there, each asked by its name: a list is late, and does not say how they are."""
        found = await together(self.arm.find(self.url(self.names.copy(seat))) for seat in seats)
        return [instance.read(one) for one in found if one is not None and owned(one.get("tags"), self._installation)]

    async def names_seen(self) -> list[dict[str, Any]]:
        """Every group that this installation made for the target, copies and jobs."""
        every = self.arm.every(f"{self.folder}?api-version={group.API}")
        mine = [one async for one in every if owned(one.get("tags"), self._installation)]
        return [one for one in mine if target_of(one["tags"]) == self.names.target]

    async def last_words(self, copy: Copy) -> str:
        """The end of its log, or that it said nothing."""
        return (await self._log(copy.name, 5)).strip()[-300:] or "it said nothing"

    async def remove(self, names: Collection[str]) -> None:
        """They are told to stop, then gone."""
        await together(self.arm.delete(self.url(name), _GONE) for name in names)

    async def run(self, release: Release, job: Job, secrets: Mapping[str, str]) -> JobResult:
        """A group that runs the job and is gone afterwards; exit code 124 when its time was over."""
        name, began = self.names.job(randomness.token_hex(4)), time.monotonic()
        tags = {**self.names.tags("job"), "tes-until": f"{time.time() + job.timeout + 60:.0f}"}
        body = group.job(self.setting, tags, release, job.command, secrets)
        try:
            await self.arm.put(self.url(name), body)
            code = await self._ended(name, began + job.timeout)
            output = (await self._log(name, 2000))[-_OUTPUT:]
        finally:
            await self.remove([name])
        return JobResult(exit_code=code, output=output, seconds=time.monotonic() - began)

    async def _ended(self, name: str, deadline: float) -> int:
        while time.monotonic() < deadline:
            copy = instance.read(await self.arm.get(self.url(name)))
            if copy.trouble and copy.exit_code is None:
                raise Unavailable(f"the job could not be started: {copy.trouble}")
            if not copy.running and copy.exit_code is not None:
                return copy.exit_code
            await asyncio.sleep(min(self.poll, max(0.0, deadline - time.monotonic())))
        return TIMED_OUT

    async def _log(self, name: str, lines: int) -> str:
        try:
            said = await self.arm.get(self.url(name, f"/containers/{group.CONTAINER}/logs", f"&tail={lines}"))
        except Gone:
            return ""
        return str(said.get("content") or "")

    @property
    def _installation(self) -> str:
        return self.names.installation


async def asked(copies: Iterable[Copy], health: Health) -> dict[int, str]:
    """Why each is not healthy, by its seat; empty where it is. Each is asked once, now, where it alone answers."""
    async with httpx.AsyncClient(verify=_PLAIN, timeout=health.timeout, trust_env=False) as client:

        async def ask(copy: Copy) -> tuple[int, str]:
            if not copy.running or not copy.ip:
                return copy.seat, copy.told or "it has no address yet"
            where = f"http://{copy.ip}:{copy.port}{health.path}"
            try:
                status = (await client.get(where)).status_code
            except httpx.TimeoutException:
                return copy.seat, f"no answer from {where} within {health.timeout:g} s"
            except httpx.TransportError as error:
                hint = f"does it listen on 0.0.0.0:{copy.port}?"
                return copy.seat, f"{where} does not answer ({error}): {hint}"
            return copy.seat, "" if 200 <= status < 300 else f"{where} answers {status}"

        return dict(await together(ask(copy) for copy in copies))


async def together(work: Iterable[Any]) -> list[Any]:
    """All at once; the first error when all have ended, so that none is left running behind it."""
    done = await asyncio.gather(*work, return_exceptions=True)
    for one in done:
        if isinstance(one, BaseException):
            raise one
    return list(done)
