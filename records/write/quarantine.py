"""Setting a case aside and taking it back. Each is in the audit log, in the same transaction."""

from __future__ import annotations

from sqlalchemy import update
from sqlmodel import col, select

from domain.errors import Rejected
from domain.quarantine import Entry, day
from records.session import writing
from records.tables import CaseRow, QuarantineRow
from records.tables.case import case_key
from records.tables.columns import now, utc
from records.upsert import upsert
from records.write.audit import append

_CHANGED = ("owner", "reason", "issue", "automatic", "added", "until", "released", "released_why")


def quarantine(project: str, entry: Entry, actor: str) -> str:
    """Set a case aside; a stay that goes on is replaced. The case's key. Rejected when no run ever recorded it."""
    key = case_key(project, entry.case)
    row = {
        "case_id": key,
        "project": project,
        "owner": entry.owner,
        "reason": entry.reason,
        "issue": entry.issue,
        "automatic": entry.automatic,
        "added": utc(entry.added),
        "until": utc(entry.until),
        "released": None,
        "released_why": None,
    }
    with writing() as session:
        if session.exec(select(CaseRow.id).where(CaseRow.id == key)).first() is None:
            raise Rejected(f"no run of {project} ever recorded {entry.case}", fix="name it as `tes flaky` does")
        upsert(session, QuarantineRow, [row], update=_CHANGED)
        detail = {"owner": entry.owner, "reason": entry.reason, "issue": entry.issue, "until": day(entry.until)}
        append(session, actor, "quarantine.add", f"{project} {entry.case}", {**detail, "automatic": entry.automatic})
    return key


def release(project: str, entry: Entry, why: str, actor: str) -> bool:
    """Take a case back; False when it was not in quarantine any more."""
    with writing() as session:
        done = session.connection().execute(
            update(QuarantineRow)
            .where(col(QuarantineRow.case_id) == case_key(project, entry.case), col(QuarantineRow.released).is_(None))
            .values(released=now(), released_why=why)
        )
        if done.rowcount != 1:
            return False
        append(session, actor, "quarantine.release", f"{project} {entry.case}", {"why": why})
        return True
