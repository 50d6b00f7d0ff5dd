"""Asks where environments stand: the platforms, each environment's notebook, and the audit log. Changes nothing."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence

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

PATIENCE_S = 20.0
"""A platform that says nothing for so long is not waited for: the others are to be seen."""
LOCAL = "local"
_ENTRIES = 200


async def standings(service: str, environments: Mapping[str, str]) -> list[Standing]:
    """All environments of the local platform, and this service's (name to platform) elsewhere, side by side.

    A platform that cannot be asked is a standing with a `problem`.
    """
    elsewhere = [
        _one(Target(service=service, environment=name), platform)
        for name, platform in environments.items()
        if platform != LOCAL
    ]
    found = await asyncio.gather(_local(), *elsewhere)
    return [one for places in found for one in places]


async def _local() -> Sequence[Standing]:
    try:
        async with asyncio.timeout(PATIENCE_S):
            platform = await platform_named(LOCAL)
            return [await _asked(platform, LOCAL, target) for target in await platform.targets()]
    except (TesError, TimeoutError) as error:
        return [_silent(Target(service="*", environment="*"), LOCAL, error)]


async def _one(target: Target, name: str) -> Sequence[Standing]:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return [await _asked(await platform_named(name), name, target)]
    except (TesError, TimeoutError) as error:
        return [_silent(target, name, error)]


def _silent(target: Target, name: str, error: TesError | TimeoutError) -> Standing:
    why = error.message if isinstance(error, TesError) else f"no answer in {PATIENCE_S:g} s"
    return Standing(target=target, platform=name, problem=f"{name} cannot be asked: {why}")


async def _asked(platform: HostsServices, name: str, target: Target) -> Standing:
    state, now = await platform.inspect(target), time.time()
    pages, left, remarks = await _notebook(platform, target)
    entries: Sequence[AuditEntryRow] = ()
    try:
        page = await asyncio.to_thread(audit_entries, _ENTRIES, service=target.service, environment=target.environment)
        entries = page.items
    except TesError as error:
        remarks += (f"last verdict and drift are not known: {error.message}",)
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
        remarks=remarks,
    )


async def _notebook(platform: HostsServices, target: Target) -> tuple[history.History, Rollout | None, tuple[str, ...]]:
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
