"""A job with a release's code: a Job of the cluster that runs once, and is gone afterwards."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping

from blocks.platforms.kubernetes_parts import manifests, pods
from blocks.platforms.kubernetes_parts.api import Api, Document
from blocks.platforms.kubernetes_parts.manifests import Wishes
from blocks.platforms.kubernetes_parts.names import Names
from domain.errors import Rejected
from domain.place import Job, JobResult, Release

TIMED_OUT = 124
_POLL = 0.2
_OUTPUT = 100_000  # bytes of a job's output that are kept


class Jobs:
    """Of one target."""

    def __init__(self, api: Api, names: Names, wishes: Wishes) -> None:
        self.api, self.names, self.wishes = api, names, wishes

    async def run(self, release: Release, job: Job, secrets: Mapping[str, str]) -> JobResult:
        """Exit code 124 when its time was over. Rejected when its pod cannot be started at all."""
        names, name = self.names, f"{self.names.stem}-job-{uuid.uuid4().hex[:8]}"
        began = time.monotonic()
        if secrets:
            document = manifests.secret(names, name, release, secrets, "job")
            await self.api.apply(f"{names.secrets}/{name}", document)
        try:
            await self.api.create(names.jobs, manifests.job(names, name, release, job, self.wishes, secrets))
            code, pod = await self._ended(name, began + job.timeout)
            output = await self._output(pod)
        finally:
            await self.api.delete(f"{names.jobs}/{name}")
            if secrets:
                await self.api.delete(f"{names.secrets}/{name}")
        return JobResult(exit_code=code, output=output, seconds=time.monotonic() - began)

    async def _ended(self, name: str, deadline: float) -> tuple[int, Document | None]:
        pod = None
        while time.monotonic() < deadline:
            found = await self.api.get(self.names.pods, labelSelector=f"job-name={name}")
            pod = next(iter(found["items"]), None)
            if pod is not None:
                container: Document = next(iter(pod.get("status", {}).get("containerStatuses", ())), {})
                ended = container.get("state", {}).get("terminated")
                if ended:
                    return int(ended["exitCode"]), pod
                _, trouble = pods.copy(pod, ())
                if trouble:
                    raise Rejected(f"the job {name} cannot be started: {trouble}")
            await asyncio.sleep(_POLL)
        return TIMED_OUT, pod

    async def _output(self, pod: Document | None) -> str:
        container: Document = next(iter((pod or {}).get("status", {}).get("containerStatuses", ())), {})
        # A container that has not begun has no log, and asking for it is refused.
        if pod is None or not {"running", "terminated"} & set(container.get("state", {})):
            return ""
        path = f"{self.names.pods}/{pod['metadata']['name']}/log"
        return (await self.api.text(path, tailLines="2000"))[-_OUTPUT:]
