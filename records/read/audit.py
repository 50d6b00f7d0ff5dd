"""Reading the audit log, and proving that it is whole."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select

from domain.place import Target
from records.read.page import Page, bounded, cut
from records.session import reading
from records.tables import AuditEntryRow
from records.tables.audit_entry import GENESIS


@dataclass(frozen=True)
class Chain:
    """The audit log's state. `head` is the last sound hash; `broken_at` the first entry that does not fit."""

    entries: int
    head: str
    broken_at: int | None = None
    reason: str = ""

    @property
    def whole(self) -> bool:
        return self.broken_at is None


def verify_chain(known: str | None = None) -> Chain:
    """Read the whole log and check every hash against its content and its predecessor.

    Entries cut off at the end leave a shorter, sound chain: `known`, a hash that was kept elsewhere, must be in it.
    """
    head, number, seen = GENESIS, 0, known is None
    query = select(AuditEntryRow).order_by(col(AuditEntryRow.id)).execution_options(yield_per=1000)
    # Closed by hand: a log that breaks early leaves the rest of it on the server.
    with reading() as session, closing(session.exec(query)) as entries:
        for entry in entries:
            if reason := _misfit(entry, number + 1, head):
                return Chain(number, head, number + 1, reason)
            head, number = entry.hash, number + 1
            seen = seen or head == known
    if not seen:
        return Chain(number, head, number + 1, f"no entry has the hash {known}: entries were cut off or replaced")
    return Chain(number, head)


def _misfit(entry: AuditEntryRow, number: int, head: str) -> str:
    """Why an entry is not the one that should come here; empty when it is."""
    if entry.id != number:
        return f"entry {number} is missing, {entry.id} follows"
    if entry.prev_hash != head:
        return f"entry {number} does not follow the one before it"
    return "" if entry.digest() == entry.hash else f"entry {number} is not what was written"


def audit_entries(
    limit: int = 50,
    *,
    after: int | None = None,
    service: str | None = None,
    environment: str | None = None,
    since: datetime | None = None,
) -> Page[AuditEntryRow]:
    """The audit log, the newest first; entries before number `after`. `service` and `environment` leave only what was
    done there, `since` what was done at that time or later."""
    limit = bounded(limit)
    query = select(AuditEntryRow).order_by(col(AuditEntryRow.id).desc()).limit(limit + 1)
    if after is not None:
        query = query.where(AuditEntryRow.id < after)
    # The subject of whatever is done to a target is its name; a service's own name holds no space.
    subject = col(AuditEntryRow.subject)
    if service is not None and environment is not None:
        query = query.where(subject == str(Target(service=service, environment=environment)))
    elif service is not None:
        query = query.where(subject.startswith(f"{service} in ", autoescape=True))
    elif environment is not None:
        query = query.where(subject.endswith(f" in {environment}", autoescape=True))
    if since is not None:
        query = query.where(AuditEntryRow.at >= since)
    with reading() as session:
        return cut(session.exec(query).all(), limit, "id")
