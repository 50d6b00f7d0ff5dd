"""Appending to the audit log. One writer at a time: every entry's hash covers the entry before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlmodel import Session, col, select

from records.session import writing
from records.tables import AuditEntryRow
from records.tables.audit_entry import GENESIS
from records.tables.columns import Moment, clean, now, utc

_ADVISORY_LOCK = 0x7E5_0002


class Deed(NamedTuple):
    """Who did what to what, and when. `detail` must be JSON and hold no secret."""

    at: Moment
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]


def audit(actor: str, action: str, subject: str, detail: Mapping[str, Any] | None = None) -> str:
    """Append who did what to what; `detail` must be JSON and hold no secret. The entry's hash: whoever keeps it
    elsewhere can later prove that nothing up to here was changed or cut off."""
    with writing() as session:
        return append(session, actor, action, subject, detail)


def audit_all(deeds: Sequence[Deed], *, again: bool = False) -> int:
    """Append them in order, all or none; returns how many. `again`: some of them may be there already, from a time
    when nobody heard whether they were taken; those are left out."""
    with writing() as session:
        _one_at_a_time(session)
        rows = [_row(deed) for deed in deeds]
        if again and rows:
            there = _there(session, rows)
            rows = [row for row in rows if _same(row) not in there]
        last = _last(session)
        for row in rows:
            last = _linked(session, row, last)
        session.flush()
        return len(rows)


def append(session: Session, actor: str, action: str, subject: str, detail: Mapping[str, Any] | None = None) -> str:
    """`audit` in the transaction of the deed itself: both are kept, or neither."""
    _one_at_a_time(session)
    row = _linked(session, _row(Deed(now(), actor, action, subject, detail or {})), _last(session))
    session.flush()
    return row.hash


def _row(deed: Deed) -> AuditEntryRow:
    """The entry, without its place in the chain."""
    return AuditEntryRow(
        id=0,
        at=utc(deed.at),
        actor=clean(deed.actor),
        action=clean(deed.action),
        subject=clean(deed.subject),
        detail=json.dumps(deed.detail, sort_keys=True, separators=(",", ":")),
        prev_hash="",
        hash="",
    )


def _linked(session: Session, row: AuditEntryRow, last: AuditEntryRow | None) -> AuditEntryRow:
    row.id, row.prev_hash = (last.id + 1, last.hash) if last else (1, GENESIS)
    row.hash = row.digest()
    session.add(row)
    return row


def _last(session: Session) -> AuditEntryRow | None:
    return session.exec(select(AuditEntryRow).order_by(col(AuditEntryRow.id).desc()).limit(1)).first()


def _same(row: AuditEntryRow) -> tuple[object, ...]:
    # A moment in microseconds and all that was said: two deeds do not share them.
    return utc(row.at), row.actor, row.action, row.subject, row.detail


def _there(session: Session, rows: Sequence[AuditEntryRow]) -> set[tuple[object, ...]]:
    moments = [row.at for row in rows]
    query = select(AuditEntryRow).where(col(AuditEntryRow.at).between(min(moments), max(moments)))
    return {_same(row) for row in session.exec(query)}


def _one_at_a_time(session: Session) -> None:
    # SQLite holds its write lock already. A table lock would stop PostgreSQL's backups; an advisory one stops only us.
    if session.get_bind().dialect.name == "postgresql":
        session.connection().execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
