"""npm, for what a project's tests need: the versions of its lock, or what npm chooses where there is no lock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domain.errors import SpecError
from toolchain.command import Command

LOCKS = ("npm-shrinkwrap.json", "package-lock.json")
# What decides about the installation; the rest of package.json may change without another one. No script of the
# project's own is among them: it is for where the project's files are.
_DECIDES = (
    *("name", "version", "dependencies", "devDependencies", "optionalDependencies", "peerDependencies"),
    *("peerDependenciesMeta", "bundleDependencies", "overrides", "engines", "os", "cpu", "allowScripts"),
)
_NEEDS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")


def install(folder: Path, timeout: float, *, locked: bool) -> Command:
    """Install into `folder`/node_modules. `ci` refuses a lock that does not fit to package.json."""
    quiet = ("--no-audit", "--no-fund", "--no-update-notifier", "--prefer-offline", "--loglevel=error")
    return Command(argv=("npm", "ci" if locked else "install", *quiet), cwd=folder, timeout=timeout)


def package(root: Path) -> Mapping[str, Any]:
    """The project's package.json, {} when there is none. SpecError when it is no JSON object."""
    try:
        found = json.loads((root / "package.json").read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise SpecError(f"package.json is not JSON: {error}", fix="correct it") from error
    if not isinstance(found, dict):
        raise SpecError("package.json is no JSON object", fix="correct it")
    return found


def deciding(package: Mapping[str, Any]) -> str:
    """The part of a package.json that decides what is installed, as JSON."""
    return json.dumps({key: package[key] for key in _DECIDES if key in package}, indent=2)


def wanted(package: Mapping[str, Any]) -> dict[str, str]:
    """What it depends on, of all kinds."""
    sections = (package.get(key) for key in _NEEDS)
    return {str(k): str(v) for section in sections if isinstance(section, dict) for k, v in section.items()}


def local(package: Mapping[str, Any]) -> bool:
    """Whether some of it are folders of the project itself: these only make sense where the project's files are."""
    return "workspaces" in package or any(
        version.startswith(("file:", "link:", "workspace:", ".", "/", "~/")) for version in wanted(package).values()
    )
