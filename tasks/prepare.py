"""Everything that can be refused is refused here, before anything has moved."""

from __future__ import annotations

import os
from pathlib import Path

from blocks.platforms import platform_named
from blocks.platforms.protocol import PullsImages
from domain.development import including
from domain.errors import CapabilityError, SpecError
from domain.release import named, startable
from domain.rollout import plan, requires
from domain.stages import STAGES
from settings import settings
from tasks import recording
from tasks.build import MADE_BY, builder_for
from tasks.run import Run, actor, holder, new_run_id
from tasks.snapshot import take
from tasks.spec_file import load_spec


async def prepare(
    kind: str,
    project: str,
    *,
    environment: str | None = None,
    ref: str | None = None,
    version: str | None = None,
    start_at: str | None = None,
    group: str = "",
) -> Run:
    """Reads and checks the configuration and opens the run.

    `group` is the flow run of several services that are released as one. SpecError or CapabilityError names what is
    wrong; Unavailable when the records do not answer.
    """
    root = Path(project).expanduser().absolute()
    spec = including(load_spec(await where_the_spec_is(root, ref)).spec, environment)
    if start_at is not None and start_at not in STAGES:
        raise SpecError(f"there is no stage {start_at!r}", fix=f"one of: {', '.join(STAGES)}")
    if environment is not None and environment not in spec.environments:
        raise SpecError(
            f"there is no environment {environment!r} in the tes.yaml of {root}",
            fix=f"one of: {', '.join(spec.environments)}; or add environments.{environment}",
        )
    run_id = os.urandom(16).hex() if group else new_run_id()
    run = Run(
        id=run_id,
        kind=kind,
        project=spec.name or root.name,
        root=root,
        spec=spec,
        environment=environment,
        ref=ref,
        version=named(version),
        start_at=start_at,
        actor=actor(),
        holder=holder(run_id),
        store=settings().state / "store",
        folder=settings().state / "runs" / run_id,
        group=group,
    )
    if environment is not None:
        await _platform_can(run)
    if kind in ("release", "deploy", "load"):
        made = MADE_BY[builder_for(spec.build.builder, await accepted(run))]
        startable(spec, made)
        if made == "image" and kind == "release":
            await _can_be_pulled(run)
    await recording.opened(run)
    return run


async def where_the_spec_is(root: Path, ref: str | None) -> Path:
    """The folder with the tes.yaml that counts: a revision is released as it was configured then, not as the work tree
    is now."""
    if ref is None:
        return root
    return Path((await take(root, settings().state / "store", name=root.name, ref=ref)).root)


async def _platform_can(run: Run) -> None:
    platform = await platform_named(run.place.platform)
    migrates = run.spec.release is not None and run.spec.release.migrations is not None
    needed = requires(plan(run.place, first=False, migrates=migrates))
    lacking = needed - platform.capabilities
    if lacking:
        raise CapabilityError(
            f"platform {run.place.platform} of environment {run.environment} cannot do: {', '.join(sorted(lacking))}",
            fix="choose another platform or strategy in tes.yaml",
        )


async def _can_be_pulled(run: Run) -> None:
    platform = await platform_named(run.place.platform)
    if isinstance(platform, PullsImages) and platform.pulls and run.spec.build.registry is None:
        raise SpecError(
            f"platform {run.place.platform} of environment {run.environment} has images from registries alone, and "
            "build.registry is not set",
            fix="set build.registry in tes.yaml to host/name of a registry that it reaches",
        )


async def accepted(run: Run) -> tuple[str, ...]:
    """The kinds of artifact that the run's platform takes; any kind when the run goes nowhere."""
    if run.environment is None:
        return ("bundle", "image")
    return tuple((await platform_named(run.place.platform)).artifact_kinds)
