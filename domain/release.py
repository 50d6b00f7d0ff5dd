"""Makes a release of an artifact for one environment. Immutable: another setting is another version."""

from __future__ import annotations

import hashlib

from domain.errors import SpecError
from domain.place import Release
from domain.spec import EnvironmentSpec, Spec
from domain.supply import Artifact, Source


def same(one: str, other: str | None) -> bool:
    """Whether two versions name the same artifact and settings: what comes before the suffix is only a name."""
    return other is not None and one.rpartition(".")[2] == other.rpartition(".")[2]


def compose(spec: Spec, place: EnvironmentSpec, source: Source, artifact: Artifact, version: str | None) -> Release:
    """The release; its version is `<version or the source's>.<6 hex digits of everything else in it>`.

    Raises SpecError when nothing says how the service is started.
    """
    how = spec.release
    if how is None or (artifact.kind == "bundle" and not how.command):
        raise SpecError(
            "release.command is not set and could not be detected: nothing says how the service is started",
            fix='add release.command to tes.yaml, e.g. [python, -m, uvicorn, "app:app", --port, "${PORT}"]',
        )
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
        warm=place.warm,
    )
    rest = draft.model_dump_json(exclude={"artifact": {"location", "environment", "created"}})
    suffix = hashlib.sha256(rest.encode()).hexdigest()[:6]
    return draft.model_copy(update={"version": f"{version or source.version}.{suffix}"})
