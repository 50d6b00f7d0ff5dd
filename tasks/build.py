"""The build stage: a source becomes an artifact."""

from __future__ import annotations

import platform as machine
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from domain.errors import CapabilityError
from domain.report import Stage
from domain.supply import Artifact, Source
from domain.verdict import Outcome, Verdict
from tasks.bundle import build_bundle
from tasks.kinds import derive
from tasks.run import Run
from tasks.stage import perform

# A builder, and the kind of artifact that it makes.
MADE_BY = {"bundle": "bundle", "docker": "image"}


def builder_for(asked: str, kinds: Sequence[str]) -> str:
    """The builder whose artifact the platform takes. CapabilityError when what is asked for is not what it takes."""
    if asked == "auto":
        return next(name for name, kind in MADE_BY.items() if kind in kinds)
    if MADE_BY[asked] not in kinds:
        raise CapabilityError(
            f"build.builder {asked} makes {MADE_BY[asked]}s, and the platform takes {', '.join(kinds)}",
            fix="set build.builder: auto, or another platform",
        )
    return asked


def _is_there(payload: dict[str, Any]) -> bool:
    artifact = Artifact.model_validate(payload["artifact"])
    if artifact.kind == "image":
        # A registry keeps what it was given: another environment gets the very same image. An engine may have dropped
        # it; its own layer cache makes a repetition cheap.
        return "@" in artifact.location
    return Path(artifact.location).exists() and (artifact.environment is None or Path(artifact.environment).exists())


async def _make(builder: str, source: Source, run: Run, out: Path) -> Artifact:
    if builder == "bundle":
        return await build_bundle(source, run.spec, run.store)
    from tasks.image import build_image, push  # most runs never need it

    made, how = await build_image(source, run.spec, run.store), run.spec.build
    return await push(made, how.repository, out / "push", how.platforms) if how.repository else made


@derive("build")
async def build(run: Run, source: Source, kinds: Sequence[str] = ("bundle", "image")) -> Stage:
    """Builds what the platform takes (`kinds`); payload `artifact`."""
    how = run.spec.build
    builder = builder_for(how.builder, kinds)

    async def work(out: Path) -> tuple[Verdict, dict[str, Any]]:
        artifact = await _make(builder, source, run, out)
        told = f"{artifact.kind} {artifact.digest[:19]}, {artifact.size / 1e6:.1f} MB from {source.files} files"
        verdict = Verdict(
            gate="build", outcome=Outcome.PASS, reasons=(told,), metrics={"bytes": artifact.size, "files": source.files}
        )
        return verdict, {"artifact": artifact.model_dump(mode="json")}

    inputs = {
        "source": source.digest,
        "build": how.model_dump(mode="json"),
        "builder": builder,
        "python": [how.python or sys.version, machine.machine(), sys.platform],
    }
    return await perform(run, "build", inputs, work, still_there=_is_there)
