"""Appending to the audit log. One writer at a time: every entry's hash covers the entry before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, col, select

from records.session import writing
from records.tables import AuditEntryRow
from records.tables.audit_entry import GENESIS
from records.tables.columns import clean, now

_ADVISORY_LOCK = 0x7E5_0002


def audit(actor: str, action: str, subject: str, detail: Mapping[str, Any] | None = None) -> str:
    """Append who did what to what; `detail` must be JSON and hold no secret. The entry's hash: whoever keeps it
    elsewhere can later prove that nothing up to here was changed or cut off."""
    with writing() as session:
        return append(session, actor, action, subject, detail)


def append(session: Session, actor: str, action: str, subject: str, detail: Mapping[str, Any] | None = None) -> str:
    """`audit` in the transaction of the deed itself: both are kept, or neither."""
    _one_at_a_time(session)
    last = session.exec(select(AuditEntryRow).order_by(col(AuditEntryRow.id).desc()).limit(1)).first()
    entry = AuditEntryRow(
        id=last.id + 1 if last else 1,
        at=now(),
        actor=clean(actor),
        action=clean(action),
        subject=clean(subject),
        detail=json.dumps(detail or {}, sort_keys=True, separators=(",", ":")),
        prev_hash=last.hash if last else GENESIS,
        hash="",
    )
    entry.hash = entry.digest()
    session.add(entry)
    session.flush()
    return entry.hash


def _one_at_a_time(session: Session) -> None:
    # SQLite holds its write lock already. A table lock would stop PostgreSQL's backups; an advisory one stops only us.
    if session.get_bind().dialect.name == "postgresql":
        session.connection().execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
