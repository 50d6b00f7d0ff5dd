"""Releases."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

import records
from domain.place import Release
from records.tables import ReleaseRow
from service.page import After, Filter, Limit, PageOut, paged
from service.problems import documented

router = APIRouter(prefix="/releases", tags=["releases"])


class ReleaseOut(BaseModel):
    """A release without the values of its settings: people put into them what belongs into secrets."""

    id: str
    service: str
    environment: str
    version: str
    artifact_kind: str
    artifact_digest: str
    replicas: int
    settings: list[str] = Field(description="names of the environment variables it is given")
    secrets: list[str] = Field(description="names of the secrets it is given")
    recorded: datetime

    @staticmethod
    def of(row: ReleaseRow) -> ReleaseOut:
        release = Release.model_validate(row.release)
        return ReleaseOut(
            id=row.id,
            service=row.service,
            environment=row.environment,
            version=row.version,
            artifact_kind=release.artifact.kind,
            artifact_digest=row.artifact_digest,
            replicas=release.replicas,
            settings=sorted(release.environment),
            secrets=sorted(release.secrets),
            recorded=row.recorded,
        )


@router.get("", responses=documented(422))
def releases(
    limit: Limit = 50, environment: Filter = None, service: Filter = None, after: After = None
) -> PageOut[ReleaseOut]:
    """Releases, the newest first."""
    return paged(records.releases(environment, limit, service=service, after=after), ReleaseOut.of)
