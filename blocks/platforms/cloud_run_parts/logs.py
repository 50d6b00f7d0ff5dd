"""What containers said, from Cloud Logging: a job's output, a failed revision's last words."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from blocks.platforms.cloud_run_parts.api import Api
from domain.errors import PlatformError

_OUTPUT = 2000  # entries of a job that are kept, the last ones
_LAST = 8
_LONGEST = 500  # characters of last words


class Logs:
    """Of one project. `patience`: seconds until the entries of a moment ago can be read."""

    def __init__(self, api: Api, project: str, patience: float) -> None:
        self.api, self.project, self.patience = api, project, patience

    async def said(self, execution: str) -> str:
        """What a job's execution has put out, line by line. Entries arrive late: none are believed after a while."""
        wanted = f'resource.type="cloud_run_job" AND labels."run.googleapis.com/execution_name"="{execution}"'
        deadline = time.monotonic() + self.patience
        while True:
            found = await self._entries(wanted, _OUTPUT, "reading a job's output")
            if found or time.monotonic() >= deadline:
                return "\n".join(text(one) for one in reversed(found))
            await asyncio.sleep(min(1.0, self.patience / 4))

    async def last_words(self, revision: str) -> str:
        """Of the containers of a revision, and what Cloud Run says of its probes; why it cannot be known where it
        cannot."""
        wanted = f'resource.type="cloud_run_revision" AND resource.labels.revision_name="{revision}"'
        try:
            found = await self._entries(wanted, _LAST, "reading last words")
        except PlatformError as error:
            return f"(its log cannot be read: {error.message})"
        return "; ".join(words for one in reversed(found) if (words := text(one).strip()))[-_LONGEST:]

    async def _entries(self, wanted: str, most: int, what: str) -> list[dict[str, Any]]:
        """The newest first."""
        answer = await self.api.call("POST", "v2/entries:list", what, body=query(self.project, wanted, most))
        entries: list[dict[str, Any]] = answer.get("entries", [])
        return entries


def query(project: str, wanted: str, most: int) -> dict[str, Any]:
    """The newest entries that a filter of Cloud Logging's language lets through."""
    return {
        "resourceNames": [f"projects/{project}"],
        "filter": wanted,
        "orderBy": "timestamp desc",
        "pageSize": most,
    }


def text(entry: dict[str, Any]) -> str:
    """An entry's words, whether it was written as text or as JSON."""
    payload = entry.get("jsonPayload", {})
    return str(entry.get("textPayload") or payload.get("message") or payload or "").rstrip("\r\n")
