"""`tes audit`: who did what to which environment, when and why."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.duration import seconds
from domain.errors import SpecError, TesError


def since(text: str | None) -> datetime | None:
    """The moment that lies so long back (`2d`). SpecError for what is no duration."""
    if text is None:
        return None
    try:
        return datetime.now(UTC) - timedelta(seconds=seconds(text))
    except ValueError as error:
        raise SpecError(
            f"--since {text[:80]!r}: {error}", fix="say how long back to look, e.g. 30m, 12h or 2d"
        ) from None


def audit(given: argparse.Namespace) -> int:
    """Prints the entries, the newest first."""
    moment = since(given.since)
    from tasks.diary_page import caught_up, waiting  # SQLModel comes with it: not before it is needed

    try:
        caught_up()
    except (TesError, OSError) as error:
        print(f"tes: {'; '.join(waiting()) or 'entries wait'}: {error}", file=sys.stderr)
    from records.read.audit import audit_entries

    page = audit_entries(given.limit, service=given.service, environment=given.environment, since=moment)
    entries = [{**row.model_dump(), "detail": json.loads(row.detail)} for row in page.items]
    if given.json:
        print(json.dumps(entries, indent=2, default=str))
    elif entries:
        from cli.records_view import table

        table([_line(entry) for entry in entries], ("at", "actor", "action", "subject", "version", "token", "why"))
    else:
        print("nothing is in the audit log that fits")
    return 0


def _line(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry as a person reads it."""
    detail = entry["detail"]
    weight = f"{detail['weight']} %" if "weight" in detail else ""
    why = detail.get("why") or "; ".join(detail.get("reasons", ())) or detail.get("reason", "")
    rest = ", ".join(f"{key} {detail[key]}" for key in ("strategy", "left", "by", "way", "holder") if detail.get(key))
    said = "; ".join(filter(None, (detail.get("outcome"), weight, why, rest)))
    at = entry["at"].strftime("%Y-%m-%d %H:%M:%S")
    return {**entry, "at": at, "version": detail.get("version"), "token": detail.get("token"), "why": said}
