"""The world behind the platform `memory`: what it holds, and the failures that were ordered.

There is no clock: `now` moves only when a test says so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from blocks.platforms.local_agent.balance import Balance
from domain.errors import TesError
from domain.place import CopyState, Job, JobResult, Lease, Release, ReleaseState, Target


@dataclass
class Behaviour:
    """How a version behaves. Latencies in seconds, `error_rate` 0..1."""

    never_healthy: bool = False
    unhealthy_after_promotion: bool = False
    error_rate: float = 0.0
    errors_after_promotion: float = 0.0
    latency: float = 0.010
    job: JobResult = JobResult(exit_code=0, output="done", seconds=0.01)


@dataclass
class Hosted:
    """One release that is there."""

    release: Release
    weight: int = 0
    warm_until: float | None = None
    promoted: bool = False
    lost: int = 0  # copies that died behind everybody's back; provisioning brings them back

    def seen(self, behaviour: Behaviour) -> ReleaseState:
        """Its state, as its behaviour makes it."""
        sick = behaviour.never_healthy or (behaviour.unhealthy_after_promotion and self.promoted)
        why = "GET /healthz answered 500" if sick else ""
        copies = tuple(
            CopyState(name=f"{self.release.version}-{number + 1}", healthy=not sick, reason=why)
            for number in range(max(0, self.release.replicas - self.lost))
        )
        return ReleaseState(
            release=self.release,
            weight=self.weight,
            copies=copies,
            failed=behaviour.never_healthy,
            reason=why,
            warm_until=self.warm_until,
        )


@dataclass
class Place:
    """One target."""

    target: Target
    stable: str | None = None
    token: int = 0
    lease: Lease | None = None
    hosted: dict[str, Hosted] = field(default_factory=dict)
    notebook: dict[str, str] = field(default_factory=dict)
    balance: Balance = field(default_factory=Balance)
    requests: list[tuple[float, str, bool]] = field(default_factory=list)
    jobs: list[tuple[str, Job]] = field(default_factory=list)

    def share(self, weights: dict[str, int]) -> None:
        """Everybody who is not named has nothing."""
        for version, hosted in self.hosted.items():
            hosted.weight = weights.get(version, 0)
        self.balance.set({version: hosted.weight for version, hosted in self.hosted.items()})

    def remove(self, version: str) -> None:
        if self.hosted.pop(version, None) is not None:
            self.balance.set({other: hosted.weight for other, hosted in self.hosted.items()})


@dataclass
class World:
    """Everything a MemoryPlatform of that name knows."""

    now: float = 1_000_000.0
    places: dict[Target, Place] = field(default_factory=dict)
    behaviours: defaultdict[str, Behaviour] = field(default_factory=lambda: defaultdict(Behaviour))
    calls: Counter[str] = field(default_factory=Counter)
    failures: dict[tuple[str, int], TesError] = field(default_factory=dict)
    after: set[tuple[str, int]] = field(default_factory=set)
    delays: dict[str, float] = field(default_factory=dict)
    litter: list[str] = field(default_factory=list)  # what `collect` finds

    def place(self, target: Target) -> Place:
        return self.places.setdefault(target, Place(target))

    def send(self, target: Target, number: int = 1) -> Counter[str]:
        """That many public requests; how many each version answered ("" where nobody did)."""
        place, answered = self.place(target), Counter[str]()
        for _ in range(number):
            version = place.balance.choose() or ""
            answered[version] += 1
            if version:
                behaviour = self.behaviours[version]
                rate = behaviour.error_rate
                if place.hosted[version].promoted:
                    rate = max(rate, behaviour.errors_after_promotion)
                count = sum(1 for _, other, _ in place.requests if other == version)
                place.requests.append((self.now, version, int((count + 1) * rate) > int(count * rate)))
        return answered
