"""What clients that were killed have left: jobs that nobody waits for, secrets and revisions that no charter wants."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from blocks.platforms.cloud_run_parts.api import Api
from blocks.platforms.cloud_run_parts.jobs import drop
from blocks.platforms.cloud_run_parts.names import LABEL, last, ours
from blocks.platforms.cloud_run_parts.secrets import OWNER, Secrets
from domain.place import Target

if TYPE_CHECKING:
    from blocks.platforms.cloud_run_parts.place import CloudRunPlace

_LATE = 600.0  # seconds after a job's own time


class Litter:
    """Of one installation in one project and region."""

    def __init__(
        self,
        api: Api,
        parent: str,
        installation: str,
        secrets: Secrets,
        place: Callable[[Target], CloudRunPlace],
    ) -> None:
        self.api, self.parent, self.installation = api, parent, installation
        self.secrets, self.place = secrets, place

    async def found(self, targets: Sequence[Target]) -> list[str]:
        """Full names. What has labels is listed before the charters are read: what is placed meanwhile is wanted then.
        A secret that was made a moment ago is let be: its job may not have begun."""
        wanted = {f"{LABEL}installation": self.installation, f"{LABEL}role": "secret"}
        secrets, jobs, now = await self.secrets.of(wanted), await self._jobs(), time.time()
        left = [one["name"] for one in jobs if _over(one, now)]
        owners = {f"job-{last(one['name'])}" for one in jobs if not _over(one, now)}
        for target in targets:
            found = await self.place(target).found()
            left += [str(found.revisions[name]["name"]) for name in found.litter()]
            owners |= {found.names.tag(one) for one in found.charter.releases}
        left += [one["name"] for one in secrets if one["labels"].get(OWNER) not in owners and _age(one, now) > _LATE]
        return left

    async def removed(self, targets: Sequence[Target]) -> list[str]:
        """They are gone; their full names."""
        left = await self.found(targets)
        for target in targets:
            await self.place(target).tidy()
        for name in await self.found(targets):
            if "/secrets/" in name:
                await self.secrets.drop(name)
            elif "/jobs/" in name:
                await drop(self.api, name, "removing what was left")
        return left

    async def _jobs(self) -> list[dict[str, Any]]:
        found = await self.api.every(f"v2/{self.parent}/jobs", "jobs", "looking for jobs")
        return [one for one in found if ours(one, self.installation, "job")]


def _age(resource: dict[str, Any], now: float) -> float:
    return now - datetime.fromisoformat(resource["createTime"].replace("Z", "+00:00")).timestamp()


def _over(job: dict[str, Any], now: float) -> bool:
    """Whether whoever asked for it cannot be waiting any more."""
    lasts = float(job["template"]["template"].get("timeout", "0s").rstrip("s"))
    return _age(job, now) > lasts + _LATE
