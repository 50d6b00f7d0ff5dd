"""The load stage: a copy of the new release of its own, away from every environment, and a generator against it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from blocks.platforms import platform_named
from blocks.platforms.protocol import RunsJobs
from domain.errors import CapabilityError, MissingTool
from domain.load import LoadSummary, judge, limits
from domain.place import Job, Lease, Release
from domain.release import compose
from domain.report import Stage
from domain.spec import EnvironmentSpec, Load
from domain.supply import Artifact, Source
from domain.verdict import Evidence, Outcome, Verdict
from tasks import progress, recording
from tasks.abandoned import preview_of, remove
from tasks.execute import execute, find
from tasks.kinds import derive
from tasks.lease import TTL, held
from tasks.run import Run
from tasks.stage import perform
from toolchain.loadgens import LoadGenerator, LoadRequest
from toolchain.registry import module

# The share of requests that may fail where tes.yaml says nothing about it.
ERRORS = 0.01


def generator_for(load: Load) -> str:
    """The generator's name: the one asked for, else k6 where it is installed, else locust for a declared scenario.

    Raises MissingTool when there is none that can do it; nothing is installed behind anybody's back.
    """
    if load.generator != "auto":
        return load.generator
    if find("k6"):
        return "k6"
    if load.scenario is not None and find("locust"):
        return "locust"
    wanted = "k6 (https://k6.io)" if load.scenario is None else "k6, or locust (the extra `load`)"
    raise MissingTool(f"no load generator is installed: {wanted} is needed", fix=f"install {wanted}")


@derive("load")
async def load(run: Run, source: Source, artifact: Artifact) -> Stage:
    """Bears the asked load? Measured on a preview that is started for it and removed after it."""
    how = run.spec.load or Load()

    async def work(out: Path) -> tuple[Verdict, dict[str, Any]]:
        name = generator_for(how)
        tool: LoadGenerator = module("toolchain.loadgens", name)
        scripted = how.script is not None and tool.RUNS_SCRIPTS
        if not scripted and how.scenario is None:
            raise CapabilityError(f"{name} cannot run {how.script}", fix="declare load.scenario, or install k6")
        async with _Preview(run, source, artifact) as address:
            if isinstance(address, Verdict):
                return address, {}
            progress.working("load", f"{name} against {address}")
            request = LoadRequest(
                base_url=address,
                out=out,
                script=Path(source.root) / how.script if scripted and how.script else None,
                scenario=None if scripted else how.scenario,
                environment=how.environment,
                timeout=how.timeout,
            )
            ran = await execute(tool.command(request), out)
            summary = tool.parse(ran, request)
        verdict = judge(summary, limits(how.thresholds, ERRORS, summary))
        await recording.load(run, summary, verdict)
        evidence = tuple(
            Evidence(name=path.name, location=str(path)) for path in (ran.report, ran.stdout, ran.stderr) if path
        )
        verdict = verdict.model_copy(
            update={
                "evidence": evidence,
                "reasons": (*verdict.reasons, f"{summary.requests} requests at {summary.rate:.0f}/s by {name}"),
            }
        )
        return verdict, {"summary": summary.model_dump(mode="json"), "table": _table(summary)}

    inputs = {
        "artifact": [artifact.digest, artifact.lock_digest],
        # The script, and what it imports, may be left out of the artifact.
        "source": source.digest if how.script else None,
        "load": how.model_dump(mode="json"),
        "release": run.spec.release.model_dump(mode="json") if run.spec.release else None,
        "k6": bool(find("k6")),
    }
    return await perform(run, "load", inputs, work)


def _table(summary: LoadSummary) -> list[list[str]]:
    """The percentiles, for a person."""
    times = [[name, f"{getattr(summary, name) * 1000:.1f} ms"] for name in ("p50", "p90", "p95", "p99", "max")]
    return [["latency", "value"], *times]


class _Preview:
    """A release in an environment of its own, `preview-<run>`, with none of a real environment's settings or secrets.

    Gives a copy's own address, so that what is measured is the service and not what stands before it; or the verdict
    when it does not become healthy.
    """

    def __init__(self, run: Run, source: Source, artifact: Artifact) -> None:
        place = EnvironmentSpec(replicas=1, warm=0.0)
        self.run = run
        self.release: Release = compose(run.spec, place, source, artifact, None)
        self.target = preview_of(self.release.service, run.id)
        self.lease: Lease | None = None

    async def __aenter__(self) -> str | Verdict:
        self.platform = await platform_named(self.run.place.platform)
        self._held = held(self.platform, self.target, self.run.holder)
        try:
            self.lease = await self._held.__aenter__()
            return await self._start(self.lease)
        except BaseException:
            await self.__aexit__()
            raise

    async def _start(self, lease: Lease) -> str | Verdict:
        progress.working("load", "starting a preview")
        migrations = self.release.migrations
        if migrations and isinstance(self.platform, RunsJobs):
            job = Job(name="migrate", command=migrations.command, timeout=migrations.timeout)
            result = await self.platform.run(lease, self.release, job)
            if result.exit_code != 0:
                why = f"migration of the preview: exit {result.exit_code}: {result.output[-300:]}"
                return Verdict(gate="load", outcome=Outcome.FAIL, reasons=(why,))
        await self.platform.provision(lease, self.release)
        ready, why = await self.platform.wait_ready(self.target, self.release.version, self.release.health.grace + 30)
        state = (await self.platform.inspect(self.target)).of(self.release.version)
        if not ready or state is None or not state.copies:
            return Verdict(gate="load", outcome=Outcome.FAIL, reasons=(f"the preview is not healthy: {why}",))
        return state.copies[0].address

    async def __aexit__(self, *_: object) -> None:
        if self.lease is not None:
            # The lease first: its renewal would bring the agent of a preview back that is gone.
            await self._held.__aexit__(None, None, None)
        # Interrupted while it was taken: it may be ours, and the agent may have been started for it.
        lease = self.lease or await self.platform.acquire(self.target, self.run.holder, TTL)
        await remove(self.platform, lease)
