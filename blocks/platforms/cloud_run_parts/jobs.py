"""Jobs: a Cloud Run job each, that runs once and is gone afterwards."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

from blocks.platforms.cloud_run_parts import manifest
from blocks.platforms.cloud_run_parts.answers import Missing
from blocks.platforms.cloud_run_parts.api import Api
from blocks.platforms.cloud_run_parts.conditions import words
from blocks.platforms.cloud_run_parts.logs import Logs
from blocks.platforms.cloud_run_parts.manifest import Options
from blocks.platforms.cloud_run_parts.names import Names, last
from blocks.platforms.cloud_run_parts.secrets import OWNER, Secrets
from domain.errors import Rejected
from domain.place import Job, JobResult, Release

TIMED_OUT = 124
_DEADLINE = 4  # google.rpc.Code


class Jobs:
    """Of one target; `parent` is `projects/<project>/locations/<region>`."""

    def __init__(
        self, api: Api, names: Names, parent: str, options: Options, secrets: Secrets, logs: Logs, slack: float
    ) -> None:
        self.api, self.names, self.parent, self.options, self.slack = api, names, parent, options, slack
        self.secrets, self.logs = secrets, logs

    async def run(self, release: Release, job: Job, values: Mapping[str, str]) -> JobResult:
        """Its exit code and output; 124 when its time was over. Cloud Run counts it from when the
        container starts; one that has not ended `slack` seconds after that is cancelled. Rejected for one that could
        not be started."""
        name = f"{self.names.service[:30].rstrip('-')}-{uuid.uuid4().hex[:8]}"
        owner, what, began = f"job-{name}", f"running {job.name}", time.monotonic()
        try:
            kept = await self.secrets.keep(self.names, owner, values)
            body = manifest.job(self.names, release, job, self.options, kept)
            made = await self.api.call("POST", f"v2/{self.parent}/jobs", what, body=body, query={"jobId": name})
            await self.api.done(made, what)
            started = await self.api.call("POST", f"v2/{self.parent}/jobs/{name}:run", what, body={})
            execution = str(started["metadata"]["name"])
            code = await self._ended(execution, time.monotonic() + job.timeout + self.slack, what)
            output = await self.logs.said(last(execution))
        finally:
            # A cancelled caller leaves nothing either; what a killed one leaves is garbage, found by its labels.
            await asyncio.shield(self._gone(name, kept_by=owner, what=what))
        return JobResult(exit_code=code, output=output, seconds=time.monotonic() - began)

    async def end(self) -> None:
        """None of the target is left."""
        for one in await self.api.every(f"v2/{self.parent}/jobs", "jobs", f"disposing of {self.names.target}"):
            if self.names.labels("job").items() <= one.get("labels", {}).items():
                await drop(self.api, one["name"], f"disposing of {self.names.target}")

    async def _ended(self, execution: str, deadline: float, what: str) -> int:
        while True:
            now = await self.api.get(f"v2/{execution}", what)
            if now.get("completionTime"):
                return await self._code(execution, now, what)
            if time.monotonic() >= deadline:
                cancelled = await self.api.call("POST", f"v2/{execution}:cancel", what, body={})
                await self.api.done(cancelled, what)
                return TIMED_OUT
            await asyncio.sleep(self.api.patience.poll)

    async def _code(self, execution: str, now: Mapping[str, Any], what: str) -> int:
        """The one task's exit code: what a shell would say for a signal, 124 when Cloud Run ended it for its time."""
        tasks = await self.api.every(f"v2/{execution}/tasks", "tasks", what)
        attempt = tasks[0].get("lastAttemptResult", {}) if tasks else {}
        status = attempt.get("status", {})
        said = str(status.get("message") or words(now))
        if status.get("code") == _DEADLINE or re.search("time ?out|deadline", said, re.IGNORECASE):
            return TIMED_OUT
        if attempt.get("termSignal"):
            return 128 + int(attempt["termSignal"])
        if attempt.get("exitCode"):
            return int(attempt["exitCode"])
        if now.get("succeededCount"):
            return 0
        raise Rejected(f"{what}: it could not be run: {said}")

    async def _gone(self, name: str, kept_by: str, what: str) -> None:
        await drop(self.api, f"{self.parent}/jobs/{name}", what)
        for one in await self.secrets.of({**self.names.labels("secret"), OWNER: kept_by}):
            await self.secrets.drop(one["name"])


async def drop(api: Api, name: str, what: str) -> None:
    """The resource of that full name is gone, or was never there."""
    try:
        await api.done(await api.call("DELETE", f"v2/{name}", what), what)
    except Missing:
        return
