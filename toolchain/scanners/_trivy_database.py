"""How old Trivy's vulnerability database is: its cache's db/metadata.json."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, Field, ValidationError

from toolchain.reports.trusted import Report
from toolchain.scanners import ScanRequest

OLD = timedelta(days=3)
SKEW = timedelta(hours=1)


class _Metadata(Report):
    updated: AwareDatetime = Field(alias="UpdatedAt")


def cache(request: ScanRequest) -> Path:
    """Where Trivy keeps it: `options["cache_dir"]`, else Trivy's own rules (TRIVY_CACHE_DIR, the user's cache)."""
    named = request.options.get("cache_dir") or os.environ.get("TRIVY_CACHE_DIR")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trivy"


def updated(folder: Path) -> datetime | None:
    """When the database in that cache was built; None when there is none, or nothing tells."""
    try:
        content = (folder / "db" / "metadata.json").read_bytes()
        there = (folder / "db" / "trivy.db").stat().st_size > 0
        return _Metadata.model_validate_json(content).updated if there else None
    except (OSError, ValidationError):
        return None


def too_old(when: datetime | None, now: datetime | None = None) -> bool:
    """Whether a database of that time says too little today; one from the future is as suspect."""
    moment = now or datetime.now(UTC)
    return when is None or moment - when > OLD or when - moment > SKEW
