"""Recording a release."""

from __future__ import annotations

from domain.place import Release
from records.session import writing
from records.tables import ReleaseRow
from records.tables.columns import now
from records.tables.release import release_key
from records.upsert import upsert


def record_release(release: Release, environment: str) -> str:
    """Record that a release was made for an environment; the same one again changes nothing. Its id."""
    key = release_key(release, environment)
    row = {
        "id": key,
        "service": release.service,
        "environment": environment,
        "version": release.version,
        "artifact_digest": release.artifact.digest,
        "release": release.model_dump(mode="json"),
        "recorded": now(),
    }
    with writing() as session:
        upsert(session, ReleaseRow, [row])
    return key
