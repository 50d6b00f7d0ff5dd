"""The platform `local`: services run on this machine, behind a front on loopback, without Docker and without root.

This is the client. What decides, starts, watches and forwards is one agent per target (`local_agent/`), which
outlives the command that started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

from prefect.blocks.core import Block
from pydantic import Field

from blocks.platforms.local_agent.call import Agent
from blocks.platforms.local_agent.state import AGENT_FILE, NOTEBOOK, STATE_FILE, load_state, safe_name
from blocks.platforms.secret_references import resolve
from domain.errors import CapabilityError, Unavailable
from domain.place import Capability, Job, JobResult, Lease, Release, ServiceState, Target, Traffic
from settings import settings

_POLL = 0.05  # seconds between two looks at readiness
_FAREWELL = 5.0  # seconds an agent may take to end
_DRAIN_EXTRA = 60.0  # seconds a verb may take beyond the release's own drain


class LocalPlatform(Block):
    """Runs services on this machine: every release as processes of its own, behind a front that shifts traffic.

    Example:
        ```python
        from blocks.platforms.local import LocalPlatform

        platform = LocalPlatform.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "Local Platform"
    _block_type_slug = "local-platform"
    _documentation_url = (
        "https://github.com/test-execution-system/test-execution-system/"  # type: ignore[assignment]
        "blob/main/docs/reference/local-platform.md"
    )

    capabilities: ClassVar[frozenset[Capability]] = frozenset(Capability)
    artifact_kinds: ClassVar[tuple[str, ...]] = ("bundle",)

    home: Path | None = Field(default=None, description="State folder; TES_HOME when it is not set.")
    idle: float = Field(default=600.0, description="Seconds without a release after which an agent ends by itself.")
    log_size: int = Field(default=10 << 20, description="Bytes after which a log is rotated.")

    async def acquire(self, target: Target, holder: str, ttl: float) -> Lease:
        """As HostsServices.acquire."""
        return Lease.model_validate(await self._agent(target).ask("acquire", {"holder": holder, "ttl": ttl}))

    async def give_back(self, lease: Lease) -> None:
        """As HostsServices.give_back. Of a target that is gone there is nothing to give back."""
        if (self._folder(lease.target) / STATE_FILE).exists():
            await self._say(lease, "give_back")

    async def inspect(self, target: Target) -> ServiceState:
        """As HostsServices.inspect. A target without releases needs no agent and none is started for it."""
        agent = self._agent(target)
        if not agent.there():
            state = load_state(agent.folder)
            if state is None or not state.releases:
                lease = state.lease if state and state.lease and state.lease.expires > time.time() else None
                return ServiceState(target=target, lease=lease, token=state.token if state else 0)
        return ServiceState.model_validate(await self._observe(agent, "inspect", {}))

    async def targets(self) -> Sequence[Target]:
        """Every target under `home` that has a state, or an agent that was started and has not heard of anything."""
        found = []
        for folder in sorted({p.parent for f in (STATE_FILE, AGENT_FILE) for p in self._environments.glob(f"*/*/{f}")}):
            state = load_state(folder)
            named = Target(service=unquote(folder.name), environment=unquote(folder.parent.name))
            found.append(state.target if state is not None else named)
        return found

    async def provision(self, lease: Lease, release: Release) -> None:
        """As HostsServices.provision. SpecError when a secret is missing, CapabilityError for an image."""
        self._must_be_bundle(release)
        secrets = await resolve(release.secrets, "release.secrets")
        await self._say(lease, "provision", release=release.model_dump(mode="json"), secrets=secrets)

    async def wait_ready(self, target: Target, version: str, timeout: float) -> tuple[bool, str]:
        """As HostsServices.wait_ready. Survives an agent that is killed meanwhile: the next one is asked."""
        deadline = time.monotonic() + timeout
        agent, arguments = self._agent(target), {"version": version}
        while True:
            ready, hopeless, why = await self._observe(agent, "readiness", arguments)
            if ready or hopeless:
                return ready, why
            if time.monotonic() >= deadline:
                return False, f"not ready within {timeout:g} s: {why}"
            await asyncio.sleep(_POLL)

    async def shift(self, lease: Lease, version: str, weight: int) -> None:
        """As SplitsTraffic.shift. Rejected when the version is not ready."""
        await self._say(lease, "shift", version=version, weight=weight)

    async def promote(self, lease: Lease, version: str) -> None:
        """As HostsServices.promote."""
        await self._say(lease, "promote", version=version)

    async def abort(self, lease: Lease, stable: str | None) -> None:
        """As HostsServices.abort. Traffic is back before the candidate is drained and this returns."""
        await self._say(lease, "abort", stable=stable, timeout=await self._drain(lease.target))

    async def retire(self, lease: Lease, version: str) -> None:
        """As HostsServices.retire."""
        await self._say(lease, "retire", version=version, timeout=await self._drain(lease.target))

    async def remember(self, lease: Lease, key: str, text: str) -> None:
        """As HostsServices.remember."""
        await self._say(lease, "remember", key=key, text=text)

    async def recall(self, target: Target, key: str) -> str | None:
        """As HostsServices.recall; read from the state folder, agent or not."""
        try:
            return (self._folder(target) / NOTEBOOK / safe_name(key)).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    async def run(self, lease: Lease, release: Release, job: Job) -> JobResult:
        """As RunsJobs.run; exit code 124 when the job's time was over."""
        self._must_be_bundle(release)
        secrets = await resolve(release.secrets, "release.secrets")
        arguments = {"release": release.model_dump(mode="json"), "job": job.model_dump(mode="json")}
        result = await self._say(lease, "run", **arguments, secrets=secrets, timeout=job.timeout + _DRAIN_EXTRA)
        return JobResult.model_validate(result)

    async def traffic(self, target: Target, version: str, since: float) -> Traffic:
        """As ObservesTraffic.traffic. Counts live in the agent; after it was killed they begin anew, as `seconds`
        tells."""
        agent = self._agent(target)
        return Traffic.model_validate(await self._observe(agent, "traffic", {"version": version, "since": since}))

    async def shutdown(self, target: Target) -> None:
        """Every process of the target has ended, its agent too. Port, notebook, bundles and logs are kept."""
        agent = self._agent(target)
        state = load_state(agent.folder)
        if agent.there() or (state is not None and state.releases):
            await agent.ask("shutdown", {})
            await agent.gone(_FAREWELL)

    async def dispose(self, lease: Lease) -> None:
        """As Disposes.dispose."""
        agent = self._agent(lease.target)
        if agent.there():
            await self._say(lease, "abort", stable=None, timeout=await self._drain(lease.target))
        await self.shutdown(lease.target)
        await asyncio.to_thread(shutil.rmtree, agent.folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # another service may have this environment, too
            agent.folder.parent.rmdir()

    async def stop_all(self) -> Sequence[Target]:
        """`shutdown` of every target; which they were."""
        targets = await self.targets()
        await asyncio.gather(*(self.shutdown(target) for target in targets))
        return targets

    @property
    def _environments(self) -> Path:
        return (self.home.expanduser().absolute() if self.home else settings().state) / "environments"

    def _folder(self, target: Target) -> Path:
        return self._environments / safe_name(target.environment) / safe_name(target.service)

    def _agent(self, target: Target) -> Agent:
        return Agent(self._folder(target), target, self.idle, self.log_size)

    async def _say(self, lease: Lease, verb: str, timeout: float = 120.0, **arguments: Any) -> Any:
        """A changing verb. It is not repeated here: Unavailable means that the caller inspects first."""
        arguments["lease"] = lease.model_dump(mode="json")
        return await self._agent(lease.target).ask(verb, arguments, timeout=timeout)

    async def _observe(self, agent: Agent, verb: str, arguments: dict[str, Any]) -> Any:
        """A verb that changes nothing may be asked again, of the agent that comes after one that was killed."""
        try:
            return await agent.ask(verb, arguments)
        except Unavailable:
            return await agent.ask(verb, arguments)

    async def _drain(self, target: Target) -> float:
        state = load_state(self._folder(target))
        drains = [record.release.drain for record in state.releases] if state else []
        return max(drains, default=0.0) + _DRAIN_EXTRA

    def _must_be_bundle(self, release: Release) -> None:
        if release.artifact.kind not in self.artifact_kinds:
            raise CapabilityError(
                f"the local platform runs bundles, and {release.version} is an {release.artifact.kind}",
                fix="set build.builder: bundle in tes.yaml, or environments.<name>.platform to one that runs images",
            )


PLATFORM = LocalPlatform
