"""Who did what and when. Append-only: triggers refuse UPDATE and DELETE; each hash covers the entry before."""

from __future__ import annotations

import json
from datetime import datetime
from hashlib import sha256

from sqlmodel import Field, SQLModel

from records.tables.columns import CleanText, UtcDateTime, utc

GENESIS = "0" * 64


class AuditEntryRow(SQLModel, table=True):
    """`id` counts from 1 without a gap. `detail` is canonical JSON, kept as the text that was hashed."""

    __tablename__ = "audit_entries"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str = Field(sa_type=CleanText)
    action: str = Field(sa_type=CleanText)
    subject: str = Field(sa_type=CleanText)
    detail: str = Field(sa_type=CleanText)
    prev_hash: str = Field(sa_type=CleanText)
    hash: str = Field(sa_type=CleanText)

    def digest(self) -> str:
        """SHA-256 over the previous entry's hash and this entry's content as canonical JSON."""
        content = [self.id, utc(self.at).isoformat(), self.actor, self.action, self.subject, self.detail]
        text = self.prev_hash + json.dumps(content, separators=(",", ":"))
        return sha256(text.encode()).hexdigest()
