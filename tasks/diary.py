"""What is done to an environment, as it is done: an audit entry a step, in the words of whoever holds the lease.

    say() ──▶ a line on this disk (microseconds) ──▶ the records, beside the rollout ──▶ close(): nothing is left over
                      │
                      └── the database is lost: the line stays, and the next run or `tes audit` brings it in

Nothing here fails a rollout or keeps it waiting: an environment comes before its notes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from blocks.platforms.protocol import HostsServices
from domain.errors import TesError
from domain.place import Target
from domain.redaction import redact
from domain.rollout import Action, Rollout
from domain.verdict import Verdict
from records.write.audit import Deed, audit_all
from tasks.actor import actor
from tasks.diary_page import Page, caught_up

log = logging.getLogger(__name__)

LONGEST = 1000
"""Characters of one text: a tool's last words may be megabytes."""
SOON = 5.0
"""Seconds in which a database that did not answer is not asked again: nobody waits for its time-out twice."""

_open: ContextVar[Mapping[Target, Diary]] = ContextVar("diaries", default=MappingProxyType({}))


class Diary:
    """What is done to one target under one lease. `token` is that lease's, once it is known."""

    def __init__(self, target: Target, platform: HostsServices) -> None:
        self.target, self.token = target, 0
        self._who = actor()
        # A platform's module has the platform's name.
        self._platform = type(platform).__module__.rpartition(".")[2]
        self._page: Page | None = None
        self._pending: list[Deed] = []
        self._sending: asyncio.Task[None] | None = None
        self._failed = 0.0

    def say(self, action: str, **detail: Any) -> None:
        """An entry. It is on this disk when this returns; the records get it as soon as they take it."""
        said = {
            "service": self.target.service,
            "environment": self.target.environment,
            "platform": self._platform,
            "token": self.token,
            **{key: value for key, value in detail.items() if value not in (None, "", ())},
        }
        deed = Deed(time.time(), self._who, action, str(self.target), _shown(said))
        try:
            if self._page is None:
                self._page = Page(f"{self.target.environment}-{os.urandom(8).hex()}")
            self._page.add(deed)
        except OSError as error:
            log.warning("%s of %s is on no disk yet: %s", action, self.target, error)
        self._pending.append(deed)
        if not self._failed and (self._sending is None or self._sending.done()):
            self._sending = asyncio.get_running_loop().create_task(self._send())

    def step(self, rollout: Rollout, action: Action, verdict: Verdict) -> None:
        """A step of a rollout, with its verdict."""
        self.say(
            f"rollout.{action.verb}",
            **_of(rollout),
            weight=action.weight,
            outcome=str(verdict.outcome),
            why="; ".join(verdict.reasons),
        )

    def rollout(self, what: str, rollout: Rollout) -> None:
        """What became of a rollout as a whole."""
        self.say(f"rollout.{what}", **_of(rollout), strategy=rollout.strategy, why=rollout.reason)

    async def close(self) -> None:
        """Everything is in the records, or on this disk with a warning. Whatever dead processes left goes with it."""
        if self._sending is not None:
            await self._sending
        if self._pending and time.monotonic() - self._failed > SOON:
            await self._send()
        if not self._pending:
            if self._page is not None:
                self._page.remove()
            await self._others()
        elif self._page is not None:
            self._page.keep()
            log.warning("%d audit entries wait in %s", len(self._pending), self._page.path)
        else:
            log.error("%d audit entries of %s could not be written anywhere", len(self._pending), self.target)

    async def _send(self) -> None:
        again, self._failed = bool(self._failed), 0.0
        while self._pending:
            batch = list(self._pending)
            try:
                await asyncio.to_thread(audit_all, batch, again=again)
            except Exception as error:  # also a mistake of ours: it must not end a rollout half-way
                self._failed = time.monotonic()
                log.warning("the records do not take the audit entries of %s: %s", self.target, error)
                return
            del self._pending[: len(batch)]

    async def _others(self) -> None:
        try:
            await asyncio.to_thread(caught_up)
        except (TesError, OSError) as error:
            log.warning("what dead processes left of the audit log waits on: %s", error)


def _of(rollout: Rollout) -> dict[str, Any]:
    release = rollout.release
    return {
        "version": release.version,
        "artifact": release.artifact.digest,
        "rollout": rollout.id,
        "token": rollout.token,
        "stable": rollout.stable,
        "frozen": rollout.frozen,
        "group": rollout.group.id if rollout.group else "",
        "together": rollout.group.beside(rollout.target) if rollout.group else "",
    }


def _shown(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Without anything that is or looks like a secret: what tools said is quoted here."""

    def cut(value: Any) -> Any:
        return redact(value[: 2 * LONGEST])[:LONGEST] if isinstance(value, str) else value

    return {key: cut(value) for key, value in detail.items()}


def current(target: Target) -> Diary | None:
    """The diary of the lease on that target which is held here; None where nobody holds one."""
    return _open.get().get(target)


def opened(target: Target, platform: HostsServices) -> Diary:
    """A new one, which is its target's until `closed`."""
    found = Diary(target, platform)
    _open.set({**_open.get(), target: found})
    return found


async def closed(diary: Diary) -> None:
    """It is over: see `Diary.close`."""
    _open.set({target: one for target, one in _open.get().items() if one is not diary})
    await diary.close()


async def note(target: Target, platform: HostsServices, action: str, **detail: Any) -> None:
    """One entry about a target that nobody holds."""
    diary = Diary(target, platform)
    diary.say(action, **detail)
    await diary.close()
