"""What every platform promises.

Each verb sets a desired state, so that repeating it is harmless; `inspect` is the truth.

Every changing verb takes the lease and refuses (`Rejected`) one whose token is older than the newest it has seen.
"Unavailable" means that nothing is known to have happened: inspect, then say it again.
The environment's own notebook (`remember`, `recall`) lies where the environment is, so that a rollback needs neither
the Prefect server nor the records.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol, runtime_checkable

from domain.place import Capability, CopyState, Job, JobResult, Lease, Release, ServiceState, Target, Traffic
from domain.spec import Request


@runtime_checkable
class HostsServices(Protocol):
    """Runs services. Capabilities are told truthfully; artifact kinds are what `provision` can take."""

    capabilities: ClassVar[frozenset[Capability]]
    artifact_kinds: ClassVar[tuple[str, ...]]

    async def acquire(self, target: Target, holder: str, ttl: float) -> Lease:
        """The lease, or LockHeld that names the holder and when it ends. The same holder renews, keeping its token."""
        ...

    async def give_back(self, lease: Lease) -> None:
        """Ends the lease; harmless when it has ended or passed to somebody else."""
        ...

    async def inspect(self, target: Target) -> ServiceState:
        """What runs there now, seen from what runs. An unknown target has no releases."""
        ...

    async def targets(self) -> Sequence[Target]:
        """Every target this platform holds."""
        ...

    async def provision(self, lease: Lease, release: Release) -> None:
        """Copies of the release are running or starting, with no traffic if it had none."""
        ...

    async def wait_ready(self, target: Target, version: str, timeout: float) -> tuple[bool, str]:
        """(True, "3 of 3 copies ...") once every copy is healthy; (False, why) when it failed or time ran out."""
        ...

    async def promote(self, lease: Lease, version: str) -> None:
        """All traffic on this version, which is stable from now on; the one before stays warm. Rejected if it is not
        ready: a healthy copy is never replaced by an unhealthy one."""
        ...

    async def abort(self, lease: Lease, stable: str | None) -> None:
        """All traffic on `stable`, which is stable again; every other release that is not within its warm time is
        drained and gone. None: the target had no release before; every release is gone."""
        ...

    async def retire(self, lease: Lease, version: str) -> None:
        """The version is drained and gone. Rejected for the one that has the traffic."""
        ...

    async def remember(self, lease: Lease, key: str, text: str) -> None:
        """Writes a page of the environment's notebook, durably (the rollout's cursor)."""
        ...

    async def recall(self, target: Target, key: str) -> str | None:
        """Reads it back."""
        ...


@runtime_checkable
class PullsImages(Protocol):
    """A platform that may have images from registries alone."""

    @property
    def pulls(self) -> bool:
        """Whether it does, as it is configured."""
        ...


@runtime_checkable
class Disposes(Protocol):
    async def dispose(self, lease: Lease) -> None:
        """Nothing of the target is left, neither process nor file: a preview has served. Harmless said twice."""
        ...


@runtime_checkable
class Collects(Protocol):
    """Creates things beside releases that can be left over when something is killed or removed by hand."""

    async def garbage(self) -> Sequence[str]:
        """Names of things that this installation created and no target refers to, for a person. What an environment
        could still be put together again from is none."""
        ...

    async def collect(self) -> Sequence[str]:
        """Removes them, and returns the names of those that are gone. Harmless said twice."""
        ...


@runtime_checkable
class CarriesRequests(Protocol):
    """Carries requests to where only the platform itself reaches."""

    async def carry(self, target: Target, copy: CopyState | None, request: Request) -> tuple[int, str]:
        """The status and the body that the copy answered; the public address of the target where it is None.

        PlatformError when nobody answered, or when we may not ask. Said once: it may be a POST.
        """
        ...


@runtime_checkable
class SplitsTraffic(Protocol):
    async def shift(self, lease: Lease, version: str, weight: int) -> None:
        """This version has `weight` % of new requests, stable the rest."""
        ...


@runtime_checkable
class RunsJobs(Protocol):
    async def run(self, lease: Lease, release: Release, job: Job) -> JobResult:
        """Runs a job with the release's code and configuration; a non-zero exit is a value."""
        ...


@runtime_checkable
class ObservesTraffic(Protocol):
    async def traffic(self, target: Target, version: str, since: float) -> Traffic:
        """The public requests this version answered since a moment (seconds since the epoch)."""
        ...
