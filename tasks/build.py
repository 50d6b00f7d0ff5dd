"""The build stage: a source becomes an artifact."""

from __future__ import annotations

import platform as machine
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from domain.errors import CapabilityError
from domain.place import Release
from domain.report import Stage
from domain.supply import Artifact, Source
from domain.verdict import Outcome, Verdict
from tasks import recording
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


async def _what_is_there(builder: str) -> Callable[[Artifact], bool]:
    """Says whether an artifact can still be had: a bundle's files, an image of this engine, or a registry's."""
    images = frozenset[str]()
    if MADE_BY[builder] == "image":
        from tasks.image import present  # most runs never need it

        images = await present()

    def there(artifact: Artifact) -> bool:
        if artifact.kind == "image":
            return "@" in artifact.location or artifact.digest in images
        environment = artifact.environment
        return Path(artifact.location).exists() and (environment is None or Path(environment).exists())

    return there


async def _make(builder: str, source: Source, run: Run) -> Artifact:
    if builder == "bundle":
        return await build_bundle(source, run.spec, run.store)
    from tasks.image import build_image  # most runs never need it

    return await build_image(source, run.spec, run.store)


def _told(artifact: Artifact, more: str) -> Verdict:
    told = f"{artifact.kind} {artifact.digest[:19]}, {artifact.size / 1e6:.1f} MB {more}"
    return Verdict(gate="build", outcome=Outcome.PASS, reasons=(told,), metrics={"bytes": artifact.size})


def _another(version: str, where: str, released: Artifact, artifact: Artifact) -> Verdict:
    why = (
        f"{version} was released to {where} as {released.content}, and what was built here is {artifact.content}: a "
        f"version is one artifact; `tes deploy --version {version}` without --ref moves the released one, or name "
        "another version"
    )
    return Verdict(gate="build", outcome=Outcome.FAIL, reasons=(why,))


async def _moved(run: Run, where: str, release: Release, kinds: Sequence[str]) -> Stage:
    """The released artifact as the stage's own."""
    artifact = release.artifact

    async def work(out: Path) -> tuple[Verdict, dict[str, Any]]:
        if artifact.kind not in kinds:
            why = f"{run.version} is of kind {artifact.kind}, and the platform takes {', '.join(kinds)}"
            return Verdict(gate="build", outcome=Outcome.FAIL, reasons=(why,)), {}
        verdict = _told(artifact, f"as released to {where}; nothing was built")
        return verdict.model_copy(update={"reused": True}), {"artifact": artifact.model_dump(mode="json")}

    # A key of its own: it says nothing about what the files here would come to.
    return await perform(run, "build", {"released": release.version}, work, reusable=False)


@derive("build")
async def build(run: Run, source: Source, kinds: Sequence[str] = ("bundle", "image")) -> Stage:
    """Builds what the platform takes (`kinds`); payload `artifact`.

    A version that was promoted somewhere is that artifact: a deployment of it moves the same digest and builds nothing,
    and a build that comes to another one is a FAIL.
    """
    how = run.spec.build
    builder = builder_for(how.builder, kinds)
    there = await _what_is_there(builder)
    known = await recording.promoted_as(run.project, run.version) if run.version and run.environment else None

    if known is not None and run.kind == "deploy" and run.ref is None and there(known[1].artifact):
        return await _moved(run, *known, kinds)

    async def work(out: Path) -> tuple[Verdict, dict[str, Any]]:
        artifact = await _make(builder, source, run)
        if known is not None and known[1].artifact.content != artifact.content:
            return _another(str(run.version), known[0], known[1].artifact, artifact), {}
        verdict = _told(artifact, f"from {source.files} files")
        metrics = {**verdict.metrics, "files": source.files}
        return verdict.model_copy(update={"metrics": metrics}), {"artifact": artifact.model_dump(mode="json")}

    def fits(payload: dict[str, Any]) -> bool:
        artifact = Artifact.model_validate(payload["artifact"])
        return there(artifact) and (known is None or known[1].artifact.content == artifact.content)

    inputs = {
        "source": source.digest,
        "build": how.model_dump(mode="json", exclude={"registry", "registry_username", "registry_password"}),
        "builder": builder,
        "python": [how.python or sys.version, machine.machine(), sys.platform],
    }
    return await perform(run, "build", inputs, work, still_there=fits)
