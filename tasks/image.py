"""Builds a container image of a source with whichever Docker client and engine answer, and pushes it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from domain.errors import CapabilityError, SpecError, ToolError
from domain.spec import Spec
from domain.supply import Artifact, Source
from tasks.execute import execute
from tasks.snapshot import room, work_copy
from toolchain.builders import docker
from toolchain.builders.docker import Engine, Image
from toolchain.command import Command, Ran


async def engine() -> Engine | None:
    """The client to build with and the engine that answers it, or None. A client that can use BuildKit is preferred."""
    clients = [Path(folder) / docker.TOOL for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    there = dict.fromkeys(str(path) for path in clients if os.access(path, os.X_OK) and path.is_file())
    found = await asyncio.gather(*(_probe(client) for client in there))
    return docker.best([answer for answer in found if answer is not None])


async def _probe(client: str) -> Engine | None:
    with tempfile.TemporaryDirectory() as scratch:
        try:
            version = await execute(docker.ask_version(client), Path(scratch) / "version")
            buildx = await execute(docker.ask_buildx(client), Path(scratch) / "buildx")
        except ToolError:  # not an executable of this machine
            return None
        return docker.parse_version(version, buildx.exit_code == 0)


async def need_engine() -> Engine:
    """The engine. CapabilityError when none answers."""
    found = await engine()
    if found is None:
        raise CapabilityError(
            "no Docker engine answers", fix="start one (scripts/start-docker.sh), or set build.builder to bundle"
        )
    return found


async def build_image(source: Source, spec: Spec, store: Path) -> Artifact:
    """The image name:version of a source, in the engine. Its digest is the image's id.

    With several `build.platforms` each becomes name:version-arch, and the digest covers all of their ids; `push` gives
    them one name. CapabilityError without an engine, SpecError without the Dockerfile, ToolError when a build fails.
    """
    build, version = spec.build, source.version
    if not (Path(source.root) / build.dockerfile).is_file():
        raise SpecError(
            f"build.dockerfile: there is no file {build.dockerfile} in {source.project}",
            fix="correct the path, or set build.builder to bundle",
        )
    found = await need_engine()
    name = spec.name or source.project
    ids: dict[str, str] = {}
    size = 0
    with room(store):
        (store / "images").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=store / "images") as scratch:
        # A copy: the context is what the digest covers, even when something was written into the snapshot since.
        context = await work_copy(source, Path(scratch) / "context")
        platforms: Sequence[str] = build.platforms or ("",)
        for platform in platforms:
            image = Image(
                context=context,
                dockerfile=build.dockerfile,
                tag=docker.tag(name, version, platform if len(platforms) > 1 else ""),
                build_args=build.build_args,
                labels=docker.labels(source, version),
                platform=platform,
                out=Path(scratch) / "out" / docker.tag("out", platform or "own").replace(":", "-"),
                timeout=build.timeout,
            )
            await _run(docker.build(found, image), image.out, f"build {image.tag}")
            ids[platform] = docker.parse_id(image.id_file)
            seen, bytes_ = docker.parse_inspect(await execute(docker.inspect(found, ids[platform]), image.out / "look"))
            size += bytes_
    digest = next(iter(ids.values())) if len(ids) == 1 else _together(ids)
    return Artifact(
        kind="image",
        digest=digest,
        location=docker.tag(name, version),
        size=size,
        builder=f"docker: {found}",
        created=time.time(),
    )


def _together(ids: dict[str, str]) -> str:
    text = "".join(f"{platform} {id_}\n" for platform, id_ in sorted(ids.items()))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


async def push(image: Artifact, repository: str, out: Path, platforms: Sequence[str] = ()) -> Artifact:
    """Push an image to `host/path`; the artifact as the registry has it: `repository@sha256:...`.

    ToolError when the registry refuses it.
    """
    found = await need_engine()
    base, _, version = image.location.rpartition(":")
    several = platforms if len(platforms) > 1 else ("",)
    pushed: list[str] = []
    for platform in several:
        suffix = docker.tag("x", version, platform).partition(":")[2]
        target = f"{repository}:{suffix}"
        await _run(docker.retag(found, f"{base}:{suffix}", target), out / "tag", f"tag {target}")
        ran = await _run(docker.push(found, target, 900.0), out / "push", f"push {target}")
        pushed.append(f"{repository}@{docker.parse_digest(ran)}")
    if len(several) > 1:
        name = f"{repository}:{version}"
        await _run(docker.manifest(found, name, pushed), out / "manifest", f"join the platforms of {name}")
        ran = await _run(docker.push_manifest(found, name), out / "manifest", f"push {name}")
    digest = docker.parse_digest(ran)
    return image.model_copy(update={"digest": digest, "location": f"{repository}@{digest}"})


async def _run(command: Command, out: Path, what: str) -> Ran:
    ran = await execute(command, out)
    if ran.timed_out:
        raise ToolError(
            f"docker could not {what} within {command.timeout:.0f} s: {docker.trouble(ran)}", fix="raise build.timeout"
        )
    if ran.exit_code != 0:
        raise ToolError(
            f"docker could not {what} (exit {ran.exit_code}): {docker.trouble(ran)}", fix="try the Dockerfile by hand"
        )
    return ran
