"""One target on Azure: its charter in a blob, its copies as container groups, its front.

The store and the front have no common compare-and-swap. What is decided goes into the blob first, under its ETag; then
the front is told. Whoever has told it reads the charter again, and tells what is newer: so whichever of two is slower,
the last word is the newest charter's. A client that is killed in between leaves a front that does not agree, which the
next look sees and puts right.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Literal

from blocks.platforms.aci_parts import copies as copies_of
from blocks.platforms.aci_parts import instance
from blocks.platforms.aci_parts.copies import Copies
from blocks.platforms.aci_parts.facing import Front, Share
from blocks.platforms.aci_parts.instance import Copy
from blocks.platforms.aci_parts.notebook import Document, Kept, Notebook
from blocks.platforms.chartered import Seen, Stale
from domain.charter import Charter, Placed
from domain.errors import Rejected, Unavailable
from domain.place import CopyState, Job, JobResult, Release, Target

_TRIES = 10  # how often the front is told anew because another has come before
_KEPT = 86400.0  # seconds that the moment is kept at which a seat got its last request

Ways = Literal["asking", "probes"]


class AzurePlace:
    """Place, of chartered.py."""

    def __init__(self, target: Target, notebook: Notebook, copies: Copies, front: Front, health_by: Ways) -> None:
        self.target, self.notebook, self.copies, self.front = target, notebook, copies, front
        self.health_by, self.seats = health_by, front.seats
        self._kept: Kept | None = None
        self._told = 0.0  # when the front obeyed this client last, seconds since the epoch

    async def begun(self) -> bool:
        return await self.notebook.read(self.target) is not None

    async def begin(self) -> None:
        if not await self.begun():
            await self.notebook.begin(self.target)

    async def prepare(self, release: Release) -> None:
        await self.front.prepare(await self.charter(), release)

    async def charter(self) -> Charter:
        return (await self._read()).charter

    async def look(self) -> Seen:
        charter = await self.charter()
        seats = [seat for one in charter.releases for seat in one.seats]
        seen = {copy.seat: copy for copy in await self.copies.seen(seats)}
        states: dict[str, list[CopyState]] = {}
        troubles: dict[str, str] = {}
        for placed in charter.releases:
            version, here = placed.release.version, [seen[seat] for seat in placed.seats if seat in seen]
            why = await self._unwell(placed, here)
            for copy in here:
                if why[copy.seat] and copy.exit_code is not None:
                    words = await self.copies.last_words(copy)
                    why[copy.seat] = instance.ended(copy, why[copy.seat], words)
            states[version] = [_state(copy, why[copy.seat]) for copy in here]
            stuck = next((copy for copy in here if copy.trouble and why[copy.seat]), None)
            if stuck is not None:
                troubles[version] = why[stuck.seat] if stuck.crashing else stuck.trouble
        facing = await self.front.read()
        wanted = self.front.wanted(shares(charter, seen))
        # Copies without an address are no reason to tell the public nothing: what it knows stays until there is more.
        silent = not wanted and any(one.weight for one in charter.releases)
        return Seen(charter, states, troubles, facing.address, silent or facing.weights == wanted)

    async def swap(self, seen: Seen, charter: Charter) -> None:
        if charter is not seen.charter:
            kept = self._kept
            if kept is None or kept.charter is not seen.charter:
                kept = await self._read()
                if kept.charter != seen.charter:
                    raise Stale
            left = departures(seen.charter, charter, kept.document.left, time.time())
            document = Document(charter=charter, left=left)
            self._kept = Kept(document, await self.notebook.swap(self.target, kept.etag, document))
        if not seen.agrees or served(seen.charter) != served(charter):
            await self._tell()

    async def start(self, placed: Placed, secrets: Mapping[str, str]) -> None:
        await self.copies.start(placed, secrets)

    async def tidy(self) -> None:
        while True:
            groups = [one for one in await self.copies.names_seen() if one["tags"]["tes-role"] == "copy"]
            kept = await self._read()  # after the list: what was there before, and is not wanted now, is over
            wanted = {self.copies.names.copy(seat) for one in kept.charter.releases for seat in one.seats}
            unwanted = [instance.read(one) for one in groups if one["name"] not in wanted]
            if not unwanted:
                return
            await self._tell()
            over = max((self._over(copy, kept.document) for copy in unwanted), default=0.0)
            if over <= time.time():
                return await self.copies.remove([copy.name for copy in unwanted])
            await asyncio.sleep(min(over - time.time(), 1.0))

    async def end(self) -> None:
        """The charter goes last: whoever is killed before it can say it again."""
        await self.front.end()
        await self.copies.remove([one["name"] for one in await self.copies.names_seen()])
        await self.notebook.delete(self.target)

    async def run(self, release: Release, job: Job, secrets: Mapping[str, str]) -> JobResult:
        return await self.copies.run(release, job, secrets)

    async def _read(self) -> Kept:
        kept = await self.notebook.read(self.target)
        if kept is None:
            raise Rejected(f"{self.target} is not there any more", fix="acquire the lease again")
        self._kept = kept
        return kept

    async def _tell(self) -> None:
        """The front says what the newest charter says."""
        for attempt in range(_TRIES):
            charter = await self.charter()
            seats = [seat for one in charter.releases if one.weight for seat in one.seats]
            seen = {copy.seat: copy for copy in await self.copies.seen(seats)}
            told, facing = shares(charter, seen), await self.front.read()
            if seats and not told:
                raise Unavailable(f"no copy that is to have the traffic of {self.target} has an address yet")
            if self.front.wanted(told) == facing.weights:
                return
            try:
                await self.front.write(charter, told, facing)
                self._told = time.time()
            except Stale:
                await asyncio.sleep(0.2 * (attempt + 1))
        raise Unavailable(f"what serves {self.target} is changed by others all the time")

    async def _unwell(self, placed: Placed, here: Sequence[Copy]) -> dict[int, str]:
        health = placed.release.health
        if self.health_by == "asking":
            return await copies_of.asked(here, health)
        return {copy.seat: instance.unwell(copy, health.interval, health.failures, time.time()) for copy in here}

    def _over(self, copy: Copy, document: Document) -> float:
        """When a copy that nobody wants any more has served its last request; 0 where it never had any."""
        left = document.left.get(copy.seat)
        return 0.0 if left is None else max(left, self._told) + self.front.linger + copy.drain


def served(charter: Charter) -> object:
    """What the front has to do with."""
    return [(one.release.version, one.weight, one.seats) for one in charter.releases if one.weight], charter.stable


def shares(charter: Charter, seen: Mapping[int, Copy]) -> list[Share]:
    """Every copy that has an address and is to get requests."""
    return [
        Share(seat, seen[seat].host, one.release.version, one.weight)
        for one in charter.releases
        if one.weight
        for seat in one.seats
        if seat in seen and seen[seat].host
    ]


def departures(old: Charter, new: Charter, left: Mapping[int, float], now: float) -> dict[int, float]:
    """When each seat was to get no request any more, after this change."""
    before = {seat for one in old.releases if one.weight for seat in one.seats}
    after = {seat for one in new.releases if one.weight for seat in one.seats}
    fresh = {seat for one in new.releases for seat in one.seats} - {seat for one in old.releases for seat in one.seats}
    kept = {seat: when for seat, when in left.items() if now - when < _KEPT and seat not in after | fresh}
    return kept | {seat: now for seat in before - after}


def _state(copy: Copy, why: str) -> CopyState:
    return CopyState(
        name=copy.name,
        address=f"http://{copy.ip}:{copy.port}" if copy.ip else "",
        healthy=not why,
        restarts=copy.restarts,
        reason=why,
    )
