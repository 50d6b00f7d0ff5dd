"""What is there at a moment: the service with its charter, and its revisions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from blocks.platforms.chartered import Seen
from blocks.platforms.cloud_run_parts import conditions, manifest, notes
from blocks.platforms.cloud_run_parts.names import Names, last
from domain.charter import Charter, Placed
from domain.place import CopyState, ReleaseState

Resource = Mapping[str, Any]


@dataclass(frozen=True)
class Looked(Seen):
    """`slack`: seconds that Cloud Run itself may take before a container is started; grace begins after them."""

    slack: float = 0.0

    def state(self, placed: Placed, now: float) -> ReleaseState:
        return super().state(placed, now - self.slack)


@dataclass(frozen=True)
class Found:
    """`revisions` by name."""

    names: Names
    charter: Charter
    service: Resource
    revisions: Mapping[str, Resource] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return str(self.service.get("etag", ""))

    @property
    def newest(self) -> str:
        """The revision of the service's template. It cannot be deleted."""
        named = self.service.get("template", {}).get("revision")
        return str(named or last(self.service.get("latestCreatedRevision", "")))

    def there(self) -> dict[str, bool]:
        """The revisions that exist, and whether they can have a tag: a failed one makes Cloud Run obey nothing."""
        return {name: not conditions.failed(one) for name, one in self.revisions.items()}

    def wanted(self) -> set[str]:
        """The revisions that the charter wants."""
        return {self.names.revision(one) for one in self.charter.releases}

    def unwanted(self) -> list[str]:
        """The revisions that nobody wants, the template's included."""
        return sorted(set(self.revisions) - self.wanted() - {self.names.home})

    def leaving(self, now: float) -> dict[str, float]:
        """Revisions that are left alone for a while yet, because they have lost their traffic a moment ago."""
        until = notes.leaving(self.service.get("annotations", {}))
        return {name: moment for name, moment in until.items() if moment > now}

    def traffic(self, **more: bool) -> list[dict[str, Any]]:
        """What the service's traffic is to be; `more`: revisions that are about to exist."""
        leaving = self.leaving(time.time())
        return manifest.traffic(self.charter, self.names, {**self.there(), **more}, leaving)

    def busy(self) -> set[str]:
        """The revisions that nobody wants and that the service's traffic still names, or did a moment ago."""
        targets = [*self.service.get("traffic", []), *self.service.get("trafficStatuses", [])]
        return {one.get("revision", "") for one in targets} & set(self.unwanted())

    def litter(self) -> list[str]:
        """The revisions that can go: what is unwanted, but for a neutral one that is the template."""
        rests = self.newest.startswith(f"{self.names.service}-rest")
        return [name for name in self.unwanted() if not (rests and name == self.newest)]

    def looked(self, words: Mapping[str, str], slack: float) -> Looked:
        """`words`: by revision, the last words of those that failed."""
        copies, troubles = {}, {}
        for one in self.charter.releases:
            version, name = one.release.version, self.names.revision(one)
            copies[version] = self._copies(one)
            if trouble := self._trouble(name):
                troubles[version] = f"{trouble}: {words[name]}" if words.get(name) else trouble
        return Looked(
            charter=self.charter,
            copies=copies,
            troubles=troubles,
            address=str(self.service.get("uri", "")),
            agrees=manifest.obeyed(self.traffic(), self.service.get("trafficStatuses", [])),
            slack=slack,
        )

    def _copies(self, placed: Placed) -> Sequence[CopyState]:
        """Cloud Run does not show instances: a revision is ready when those that are to be kept are."""
        name = self.names.revision(placed)
        revision = self.revisions.get(name)
        if revision is None:
            return ()
        statuses = self.service.get("trafficStatuses", [])
        address = next((str(one["uri"]) for one in statuses if one.get("revision") == name and one.get("uri")), "")
        ready = conditions.ready(revision)
        # One that is not asked by anybody yet is ready when it can be: whoever verifies it needs the address.
        healthy = ready and bool(address or placed.weight)
        reason = "" if healthy else "its address is not there yet" if ready else conditions.words(revision)
        return tuple(
            CopyState(name=f"{name}/{n}", address=address, healthy=healthy, reason=reason)
            for n in range(placed.release.replicas)
        )

    def _trouble(self, name: str) -> str:
        if name in self.revisions:
            return conditions.words(self.revisions[name]) if conditions.failed(self.revisions[name]) else ""
        if self.newest == name and not self.service.get("reconciling") and conditions.failed(self.service):
            return conditions.words(self.service)
        return ""
