"""Where a service runs and what is there: the values that platforms take and give."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from domain.spec import Health, Migrations, Resources
from domain.supply import Artifact
from domain.verdict import Value


class Target(Value):
    """One service in one environment: what a rollout changes."""

    service: str
    environment: str

    def __str__(self) -> str:
        return f"{self.service} in {self.environment}"


class Release(Value):
    """An artifact with its version and configuration. Immutable: another setting is another release.

    `secrets` are references (`env:NAME`), never values.
    """

    service: str
    version: str
    artifact: Artifact
    command: tuple[str, ...] = ()
    port: int | None = None
    public_port: int | None = Field(None, description="environments.<name>.port; the platform picks one when None")
    health: Health = Health()
    migrations: Migrations | None = None
    replicas: int = 1
    environment: dict[str, str] = Field(default_factory=dict)
    secrets: dict[str, str] = Field(default_factory=dict)
    resources: Resources = Resources()
    drain: float = 10.0
    warm: float = 3600.0


class CopyState(Value):
    """One running copy, as seen just now."""

    name: str
    address: str = Field("", description="http://host:port where this copy alone answers")
    pid: int | None = None
    healthy: bool = False
    restarts: int = 0
    reason: str = Field("", description="why it is not healthy, in words")


class ReleaseState(Value):
    """One release in an environment. `weight` is its share of new requests, 0..100."""

    release: Release
    weight: int = 0
    copies: tuple[CopyState, ...] = ()
    failed: bool = Field(False, description="it will not become healthy: its grace is over, or it keeps crashing")
    reason: str = ""
    warm_until: float | None = Field(None, description="seconds since the epoch; kept for a rollback until then")

    @property
    def ready(self) -> bool:
        return len(self.copies) >= self.release.replicas and all(copy.healthy for copy in self.copies)


class Lease(Value):
    """The right to change a target. `token` only grows: a platform refuses a verb with an older one."""

    target: Target
    holder: str
    token: int
    expires: float = Field(description="seconds since the epoch")


class ServiceState(Value):
    """What `inspect` sees: the truth. `stable` is the version that promotion made so, None before the first."""

    target: Target
    stable: str | None = None
    releases: tuple[ReleaseState, ...] = ()
    address: str = Field("", description="http://host:port where the public is served")
    lease: Lease | None = None
    token: int = 0

    def of(self, version: str | None) -> ReleaseState | None:
        return next((state for state in self.releases if state.release.version == version), None)


class Traffic(Value):
    """A measurement of one release's requests since a moment; latencies in seconds."""

    version: str
    requests: int = 0
    errors: int = Field(0, description="5xx answers and requests without an answer")
    seconds: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0


class Job(Value):
    """Something to run once with a release's code: a migration."""

    name: str
    command: tuple[str, ...]
    timeout: float = 300.0


class JobResult(Value):
    exit_code: int
    output: str = ""
    seconds: float = 0.0


class Capability(StrEnum):
    """What a platform can do; a plan says what it requires."""

    HOSTS_SERVICES = "hosts services"
    SPLITS_TRAFFIC = "splits traffic"
    RUNS_JOBS = "runs jobs"
    OBSERVES_TRAFFIC = "observes traffic"
