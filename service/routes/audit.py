"""The audit log: read, and nothing else."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

import records
from records.tables import AuditEntryRow
from service.page import Count, Filter, Limit, PageOut, paged
from service.problems import documented

router = APIRouter(prefix="/audit", tags=["audit"])

Since = Annotated[datetime | None, Query(description="with its zone; what was done at that time or later")]


class AuditEntryOut(BaseModel):
    """Who did what to what. `hash` covers the entry and `prev_hash`, the hash of the one before."""

    id: int
    at: datetime
    actor: str
    action: str = Field(description="`rollout.shift`, `lease.taken`, `approval.PASS`, ...")
    subject: str = Field(description="`<service> in <environment>`, or a case")
    detail: dict[str, Any]
    prev_hash: str
    hash: str

    @staticmethod
    def of(row: AuditEntryRow) -> AuditEntryOut:
        return AuditEntryOut(**{**row.model_dump(), "detail": json.loads(row.detail)})


@router.get("", responses=documented(422))
def audit(
    limit: Limit = 50,
    service: Filter = None,
    environment: Filter = None,
    since: Since = None,
    after: Count = None,
) -> PageOut[AuditEntryOut]:
    """Entries of the audit log, the newest first."""
    moment = since.astimezone() if since is not None else None
    page = records.audit_entries(
        limit, after=int(after) if after else None, service=service, environment=environment, since=moment
    )
    return paged(page, AuditEntryOut.of)
