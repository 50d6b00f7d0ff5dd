"""Makes a release of an artifact for one environment. Immutable: another setting is another version."""

from __future__ import annotations

import hashlib
import re

from domain.errors import SpecError
from domain.place import Release
from domain.spec import EnvironmentSpec, ReleaseSpec, Spec
from domain.supply import Artifact, Source

LONGEST = 100
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,%d}" % (LONGEST - 1))


def named(version: str | None) -> str | None:
    """The name that a person gave a release. SpecError when it cannot stand in file names, addresses and tags."""
    if version is not None and (not _VERSION.fullmatch(version) or ".." in version):
        raise SpecError(
            f"--version {version[:120]!r} cannot be a version",
            fix=f"use 1 to {LONGEST} letters, digits, dots, dashes, underscores and plus signs, e.g. v1.2.0",
        )
    return version


def label(ref: str) -> str:
    """A git ref as a version: `feature/foo` → feature-foo. Empty when nothing of it can be used."""
    return re.sub(r"[^A-Za-z0-9_+-]*[^A-Za-z0-9._+-][^A-Za-z0-9_+-]*|\.{2,}", "-", ref)[:LONGEST].strip("._+-")


def same(one: str, other: str | None) -> bool:
    """Whether two versions name the same artifact and settings: what comes before the suffix is only a name."""
    return other is not None and one.rpartition(".")[2] == other.rpartition(".")[2]


def startable(spec: Spec, kind: str) -> ReleaseSpec:
    """How an artifact of this kind is run: a bundle needs a command, an image has one. SpecError when nothing tells."""
    how = spec.release or (ReleaseSpec() if kind == "image" else None)
    if how is None or (kind == "bundle" and not how.command):
        raise SpecError(
            "release.command is not set and could not be detected: nothing says how the service is started",
            fix='add release.command to tes.yaml, e.g. [python, -m, uvicorn, "app:app", --port, "${PORT}"]',
        )
    return how


VERIFIED_S = 60.0
"""Seconds that a verification may take beyond its bake: until it is over, the old release is the way back."""


def compose(spec: Spec, place: EnvironmentSpec, source: Source, artifact: Artifact, version: str | None) -> Release:
    """The release; its version is `<version or the source's>.<6 hex digits of everything else in it>`.

    Raises SpecError when nothing says how the service is started.
    """
    how = startable(spec, artifact.kind)
    draft = Release(
        service=spec.name or source.project,
        version="",
        artifact=artifact.model_copy(update={"created": 0.0}),
        command=how.command or (),
        port=how.port,
        public_port=place.port,
        health=how.health,
        migrations=how.migrations,
        replicas=place.replicas or how.replicas,
        environment={**how.environment, **place.environment},
        secrets={**how.secrets, **place.secrets},
        resources=how.resources,
        drain=how.drain,
        warm=max(place.warm, place.verify.bake + VERIFIED_S),
    )
    rest = draft.model_dump_json(exclude={"artifact": {"location", "environment", "created", "built"}})
    suffix = hashlib.sha256(rest.encode()).hexdigest()[:6]
    return draft.model_copy(update={"version": f"{version or source.version}.{suffix}"})
