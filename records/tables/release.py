"""A release as it was made for an environment. Immutable: another setting is another row."""

from __future__ import annotations

import json
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from domain.place import Release
from records.tables.columns import CleanText, JsonText, UtcDateTime


def release_key(release: Release, environment: str) -> str:
    """32 hex digits of all that makes a release this one. Where its artifact lies and when it was made does not."""
    content = release.model_dump(mode="json", exclude={"artifact"})
    content["artifact"] = [release.artifact.kind, release.artifact.digest, release.artifact.lock_digest]
    text = json.dumps([environment, content], sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:32]


class ReleaseRow(SQLModel, table=True):
    """`release` is the whole domain value; its secrets are references."""

    __tablename__ = "releases"
    __table_args__ = (Index("ix_releases_environment_recorded", "environment", "recorded"),)

    id: str = Field(primary_key=True, sa_type=CleanText)
    service: str = Field(sa_type=CleanText)
    environment: str = Field(sa_type=CleanText)
    version: str = Field(sa_type=CleanText)
    artifact_digest: str = Field(sa_type=CleanText, index=True)
    release: dict[str, Any] = Field(sa_type=JsonText)
    recorded: datetime = Field(sa_type=UtcDateTime)
