"""Reading the audit log, and proving that it is whole."""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import col, select

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
    head, expected, seen = GENESIS, 1, known is None
    with reading() as session:
        for entry in session.exec(
            select(AuditEntryRow).order_by(col(AuditEntryRow.id)).execution_options(yield_per=1000)
        ):
            if entry.id != expected:
                return Chain(expected - 1, head, expected, f"entry {expected} is missing, {entry.id} follows")
            if entry.prev_hash != head:
                return Chain(expected - 1, head, entry.id, f"entry {entry.id} does not follow the one before it")
            if entry.digest() != entry.hash:
                return Chain(expected - 1, head, entry.id, f"entry {entry.id} is not what was written")
            head, expected = entry.hash, expected + 1
            seen = seen or head == known
    if not seen:
        return Chain(expected - 1, head, expected, f"no entry has the hash {known}: entries were cut off or replaced")
    return Chain(expected - 1, head)


def audit_entries(limit: int = 50, *, after: int | None = None) -> Page[AuditEntryRow]:
    """The audit log, the newest first; entries before number `after`."""
    limit = bounded(limit)
    query = select(AuditEntryRow).order_by(col(AuditEntryRow.id).desc()).limit(limit + 1)
    if after is not None:
        query = query.where(AuditEntryRow.id < after)
    with reading() as session:
        return cut(session.exec(query).all(), limit, "id")
