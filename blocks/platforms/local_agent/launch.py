"""The argv and the environment of a release's processes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from domain.errors import Rejected
from domain.place import Release, Target

# All that a copy inherits from the machine. Whatever else it needs, its release declares.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


def argv(command: Sequence[str], port: int | None) -> list[str]:
    """The command with ${PORT} replaced."""
    return [part.replace("${PORT}", str(port)) for part in command] if port is not None else list(command)


def environment(
    target: Target, release: Release, secrets: Mapping[str, str], port: int | None, mark: str
) -> dict[str, str]:
    """PATH with the bundle's environment first, what is declared, and what says where it runs."""
    values = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    values.setdefault("PATH", os.defpath)
    values.setdefault("LANG", "C.UTF-8")
    if release.artifact.environment:
        values["PATH"] = f"{Path(release.artifact.environment) / 'bin'}{os.pathsep}{values['PATH']}"
        values["VIRTUAL_ENV"] = release.artifact.environment
    values["PYTHONUNBUFFERED"] = "1"
    values |= release.environment
    values |= secrets
    values |= {
        "TES_SERVICE": target.service,
        "TES_ENVIRONMENT": target.environment,
        "TES_VERSION": release.version,
        "TES_COPY": mark,
    }
    if port is not None:
        values["PORT"] = str(port)
    return values


def check(release: Release) -> None:
    """Rejected when it cannot even be tried."""
    if release.artifact.kind != "bundle":
        raise Rejected(
            f"the local platform runs bundles, and {release.version} is an {release.artifact.kind}",
            fix="set build.builder: bundle, or use a platform that runs images",
        )
    if not release.command:
        raise Rejected(
            f"release {release.version} has no command",
            fix="add release.command to tes.yaml, e.g. [uvicorn, app:app, --port, '${PORT}']",
        )
    place = release.artifact.environment
    if place and not (Path(place) / "bin").is_dir():
        raise Rejected(
            f"the environment of release {release.version} is gone: {place} has no bin folder",
            fix="build it again, e.g. `tes build`",
        )
