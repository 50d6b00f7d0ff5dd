"""Which cases are in quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import col

from domain.quarantine import Entry
from records.read.history import IDENTITY, known
from records.session import reading
from records.tables import CaseRow, QuarantineRow
from records.tables.columns import now

MOST = 10_000


@dataclass(frozen=True)
class Held:
    """A stay in quarantine. `released` is None while it goes on; one whose end has come holds no more all the same."""

    id: str
    entry: Entry
    released: datetime | None
    released_why: str | None

    def holds(self, moment: float) -> bool:
        """Whether it is in force at that moment, in seconds since the epoch."""
        return self.released is None and moment < self.entry.until


def quarantines(project: str, *, all: bool = False, suite: str | None = None) -> Sequence[Held]:
    """The project's cases in quarantine, the next end first; with `all` also those that were released or ended."""
    query = (
        select(QuarantineRow, *IDENTITY)
        .join(CaseRow, col(CaseRow.id) == col(QuarantineRow.case_id))
        .where(col(QuarantineRow.project) == project)
        .order_by(col(QuarantineRow.until), col(QuarantineRow.case_id))
        .limit(MOST)
    )
    if not all:
        query = query.where(col(QuarantineRow.released).is_(None), col(QuarantineRow.until) > now())
    if suite is not None:
        query = query.where(col(CaseRow.suite) == suite)
    with reading() as session:
        rows = session.execute(query).all()
    return [_held(row, identity) for row, *identity in rows]


def _held(row: QuarantineRow, identity: Sequence[str]) -> Held:
    entry = Entry(
        case=known(identity).case,
        owner=row.owner,
        reason=row.reason,
        issue=row.issue,
        added=row.added.timestamp(),
        until=row.until.timestamp(),
        automatic=row.automatic,
    )
    return Held(row.case_id, entry, row.released, row.released_why)
