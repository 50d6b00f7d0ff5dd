"""Asks where environments stand: the platforms, each environment's notebook, and the audit log. Changes nothing."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import ValidationError

from blocks.platforms import platform_named
from blocks.platforms.protocol import HostsServices
from domain import history
from domain.errors import TesError
from domain.place import Lease, ServiceState, Target
from domain.rollout import Rollout
from domain.standing import ENDS, Held, Standing, Told, frozen, last, left_half_way, released_with, shares
from records.read.audit import audit_entries
from records.tables import AuditEntryRow
from tasks.deploy import sentence
from tasks.rollout import HISTORY, PAGE
from tasks.unwaited import Unwaited

Notebook = tuple[history.History, Rollout | None, tuple[str, ...]]
PATIENCE_S = 5.0
"""All platforms are asked at once, and what has not answered by then is not waited for: the others are to be seen."""
LOCAL = "local"
_ENTRIES = 200


async def standings(service: str, environments: Mapping[str, str], patience: float | None = None) -> list[Standing]:
    """All environments of the local platform, and this service's (name to platform) elsewhere, side by side, within
    `patience` seconds (`PATIENCE_S` when None) for all of them together.

    A platform that cannot be asked is a standing with a `problem`.
    """
    loop = asyncio.get_running_loop()
    # The SDKs ask in threads, and a thread that waits for an answer cannot be stopped.
    loop.set_default_executor(Unwaited())
    patience = PATIENCE_S if patience is None else patience
    until = Until(patience, loop.time() + patience)
    elsewhere = [
        _one(Target(service=service, environment=name), platform, until)
        for name, platform in environments.items()
        if platform != LOCAL
    ]
    found = await asyncio.gather(_local(until), *elsewhere)
    return [one for places in found for one in places]


class Until(NamedTuple):
    """When the waiting is over for all: `at` by the clock of the event loop, `patience` seconds from the start."""

    patience: float
    at: float


async def _local(until: Until) -> Sequence[Standing]:
    try:
        async with asyncio.timeout_at(until.at):
            platform = await platform_named(LOCAL)
            targets = await platform.targets()
    except (TesError, TimeoutError) as error:
        return [_silent(Target(service="*", environment="*"), LOCAL, error, until)]
    return await asyncio.gather(*(_seen(platform, LOCAL, target, until) for target in targets))


async def _one(target: Target, name: str, until: Until) -> Sequence[Standing]:
    try:
        async with asyncio.timeout_at(until.at):
            platform = await platform_named(name)
    except (TesError, TimeoutError) as error:
        return [_silent(target, name, error, until)]
    return [await _seen(platform, name, target, until)]


async def _seen(platform: HostsServices, name: str, target: Target, until: Until) -> Standing:
    """The records are asked meanwhile: a silent database is not the platform's fault, and hides nothing of it."""
    noted = asyncio.create_task(_entries(target, until))
    try:
        async with asyncio.timeout_at(until.at):
            state, now = await platform.inspect(target), time.time()
            notebook = await _notebook(platform, target)
    except (TesError, TimeoutError) as error:
        noted.cancel()
        return _silent(target, name, error, until)
    return _told_of(target, name, state, now, notebook, await noted)


def _silent(target: Target, name: str, error: TesError | TimeoutError, until: Until) -> Standing:
    why = error.message if isinstance(error, TesError) else f"no answer in {until.patience:g} s"
    return Standing(target=target, platform=name, problem=f"{name} cannot be asked: {why}")


async def _entries(target: Target, until: Until) -> tuple[Sequence[AuditEntryRow], tuple[str, ...]]:
    """The newest entries of the audit log, and what is to be told where there are none."""
    try:
        async with asyncio.timeout_at(until.at):
            page = await asyncio.to_thread(
                audit_entries, _ENTRIES, service=target.service, environment=target.environment
            )
            return page.items, ()
    except TesError as error:
        why = error.message
    except TimeoutError:
        why = f"the records did not answer in {until.patience:g} s"
    return (), (f"last verdict and drift are not known: {why}",)


def _told_of(
    target: Target,
    name: str,
    state: ServiceState,
    now: float,
    notebook: Notebook,
    noted: tuple[Sequence[AuditEntryRow], tuple[str, ...]],
) -> Standing:
    (pages, left, remarks), (entries, unknown) = notebook, noted
    told = [_told(entry) for entry in entries]
    under_way = left_half_way(left, state.lease, now)
    return Standing(
        target=target,
        platform=name,
        standing=sentence(target, state),
        address=state.address,
        stable=state.stable,
        releases=shares(state, under_way, now),
        token=state.token,
        lease=_held(state, entries, now),
        rollout=under_way,
        together=released_with(left, state),
        frozen=frozen(state, pages),
        verdict=last(told, drift=False),
        drift=last(told, drift=True),
        remarks=remarks + unknown,
    )


async def _notebook(platform: HostsServices, target: Target) -> Notebook:
    """History, rollout, and what of them cannot be read."""
    page = await platform.recall(target, PAGE)
    try:
        pages = history.read(await platform.recall(target, HISTORY))
        return pages, Rollout.model_validate_json(page) if page else None, ()
    except ValidationError as error:
        return (), None, (f"its notebook cannot be read: {error.errors()[0]['msg']}",)


def _held(state: ServiceState, entries: Sequence[AuditEntryRow], now: float) -> Held | None:
    lease = state.lease
    if lease is None or lease.expires <= now:
        return None
    return Held(
        holder=lease.holder, token=lease.token, since=_since(lease, entries), expires_in=round(lease.expires - now, 1)
    )


def _since(lease: Lease, entries: Sequence[AuditEntryRow]) -> float | None:
    for entry in entries:
        if entry.action == "lease.taken" and json.loads(entry.detail).get("token") == lease.token:
            return entry.at.timestamp()
    return None


def _told(entry: AuditEntryRow) -> Told:
    detail = json.loads(entry.detail)
    gate, _, outcome = entry.action.partition(".")
    return Told(
        what=entry.action,
        outcome=(outcome if outcome.isupper() else "") if gate == "drift" else ENDS.get(entry.action, ""),
        at=entry.at.timestamp(),
        by=entry.actor,
        version=detail.get("version"),
        why=detail.get("why") or "; ".join(detail.get("reasons", ())),
    )
