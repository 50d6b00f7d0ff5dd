"""Builds a container image of a source with whichever Docker client and engine answer, and pushes it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
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


async def present() -> frozenset[str]:
    """The ids of the images that the engine has; none when no engine answers."""
    found = await engine()
    if found is None:
        return frozenset()
    with tempfile.TemporaryDirectory() as scratch:
        return docker.parse_images(await execute(docker.ask_images(found), Path(scratch)))


async def push_image(
    image: Artifact,
    repository: str,
    out: Path,
    platforms: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    timeout: float = 900.0,
) -> Artifact:
    """Push an image to `host/path`; the artifact as the registry has it: `repository@sha256:...`. What is there
    already is not pushed again.

    The tag is the image's own; where that is another image there, nothing is overwritten, and the tag is
    `version-<12 digits of the image's id>`. ToolError when the registry refuses us, Unavailable when it cannot be
    reached. `environment` is added to docker's: where its credentials are; `timeout` is of one image, in seconds.
    """
    found = await need_engine()
    told = _Registry(found, repository, out, dict(environment or {}), timeout)
    base, _, version = image.location.rpartition(":")
    if len(platforms) <= 1:
        # By its id: the name may be another image's by now.
        digest, _ = await told.pushed(image.digest, version)
    else:
        parts, ours = [], True
        for platform in platforms:
            wanted = docker.tag("x", version, platform).partition(":")[2]
            part, got = await told.pushed(f"{base}:{wanted}", wanted)
            parts.append(f"{repository}@{part}")
            ours = ours and got == wanted
        digest = await told.joined(version if ours else _aside(version, image.digest), parts)
    return image.model_copy(update={"digest": digest, "location": f"{repository}@{digest}", "built": image.content})


def _aside(tag: str, identity: str) -> str:
    return f"{tag}-{identity.removeprefix('sha256:')[:12]}"


class _Registry:
    """A repository, as docker speaks with it."""

    def __init__(self, engine: Engine, repository: str, out: Path, environment: dict[str, str], timeout: float) -> None:
        self.engine, self.repository, self.out = engine, repository, out
        self.environment, self.timeout = environment, timeout

    async def pushed(self, image: str, tag: str) -> tuple[str, str]:
        """The registry's digest of that image, and the tag that is this image there now."""
        seen = await self._run(docker.inspect(self.engine, image), "look", f"find image {image}")
        identity, _ = docker.parse_inspect(seen)
        there = await self._there(tag)
        if there is not None and there[1] != identity:
            # The same revision was built twice, as on two runners of a CI: an image is no function of its source.
            tag = _aside(tag, identity)
            there = await self._there(tag)
        if there is not None and there[1] == identity:
            return there[0], tag
        name = f"{self.repository}:{tag}"
        await self._run(docker.retag(self.engine, image, name), "tag", f"tag {name}")
        ran = await self._run(docker.push(self.engine, name, self.timeout), "push", f"push {name}")
        return docker.parse_digest(ran), tag

    async def _there(self, tag: str) -> tuple[str, str] | None:
        ran = await self._said(docker.ask_registry(self.engine, f"{self.repository}:{tag}"), "ask")
        return docker.parse_registry(ran)

    async def joined(self, tag: str, parts: Sequence[str]) -> str:
        """The digest of the name that several platforms share."""
        name = f"{self.repository}:{tag}"
        await self._run(docker.manifest(self.engine, name, parts), "manifest", f"join the platforms of {name}")
        ran = await self._run(docker.push_manifest(self.engine, name), "manifest", f"push {name}")
        return docker.parse_digest(ran)

    async def _said(self, command: Command, folder: str) -> Ran:
        command = command.model_copy(update={"environment": {**command.environment, **self.environment}})
        ran = await execute(command, self.out / folder)
        if ran.exit_code != 0 and (error := docker.refusal(ran, self.repository.partition("/")[0])) is not None:
            raise error
        return ran

    async def _run(self, command: Command, folder: str, what: str) -> Ran:
        return _fine(await self._said(command, folder), command, what)


async def _run(command: Command, out: Path, what: str) -> Ran:
    return _fine(await execute(command, out), command, what)


def _fine(ran: Ran, command: Command, what: str) -> Ran:
    """How it went, when it went well. ToolError, if not."""
    if ran.timed_out:
        raise ToolError(
            f"docker could not {what} within {command.timeout:.0f} s: {docker.trouble(ran)}", fix="raise build.timeout"
        )
    if ran.exit_code != 0:
        raise ToolError(
            f"docker could not {what} (exit {ran.exit_code}): {docker.trouble(ran)}", fix="try the Dockerfile by hand"
        )
    return ran
