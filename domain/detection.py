"""What a project's own files tell about it. Pure: takes names and small texts, gives values and the reason of each.

Only what is said plainly counts; what would be a guess is left open, and the flow that needs it says so. Each value
comes with one sentence, so that a person can see why and say otherwise in tes.yaml.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from pydantic import Field

from domain.detect_command import service_command
from domain.detect_suites import by_pytest, is_test_file, test_requirements, test_suites
from domain.spec import Build, ReleaseSpec, Spec, Suite, Tests
from domain.verdict import Value

MAX_READ = 256_000
MAX_SAMPLED = 20
"""Test files whose texts are looked at: enough to tell whose style they are."""
_SKIPPED = {"node_modules", "vendor", "venv", "env", "dist", "build", "target", "__pycache__", "site-packages"}
_NAMES = re.compile(
    r"(.*/)?(pyproject\.toml|setup\.(py|cfg)|tox\.ini|\.?pytest\.ini|package\.json|go\.mod|Cargo\.toml|Procfile"
    r"|[^/]*requirements[^/]*\.(txt|in)|requirements/[^/]+\.txt)|(src/)?([^/]+/){0,2}"
    r"(app|main|server|wsgi|asgi|api|application|__init__)\.py|manage\.py"
)
# How people and machines start the tests: it tells of pytest, and of nothing else.
_HABITS = re.compile(r"Makefile|noxfile\.py|\.github/workflows/[^/]+\.ya?ml")


def is_read(name: str) -> bool:
    """Whether detection wants the text of this file."""
    return any(pattern.fullmatch(name) for pattern in (_NAMES, _HABITS)) or is_sample(name)


def is_sample(name: str) -> bool:
    """Whether it is a test file, of which the texts of MAX_SAMPLED are enough."""
    return is_test_file(name) and _NAMES.fullmatch(name) is None


def is_skipped(folder: str) -> bool:
    """Whether a folder of this name holds other people's or generated files."""
    return folder in _SKIPPED or (folder.startswith(".") and folder != ".github") or folder.endswith(".egg-info")


class Detected(Value):
    """What was found. `why` has a sentence for each key of tes.yaml that was.

    `by_pytest` is what takes the place of a suite of unittest's where the interpreter has pytest, and its sentence.
    """

    name: str | None = None
    requirements: tuple[str, ...] | None = None
    test_requirements: tuple[str, ...] = ()
    suites: tuple[Suite, ...] | None = None
    command: tuple[str, ...] | None = None
    dockerfile: bool = False
    by_pytest: tuple[Suite, str] | None = None
    why: dict[str, str] = Field(default_factory=dict)

    def runnable(self, frameworks: Sequence[str]) -> Detected:
        """Without the suites that no runner here can run, which is told; with all of them when none is left, so that
        a project whose tests cannot be run is refused rather than released untested."""
        kept = tuple(suite for suite in self.suites or () if suite.framework in frameworks)
        left = [suite.framework for suite in self.suites or () if suite.framework not in frameworks]
        if not kept or not left:
            return self
        reason = f"{self.why['tests.suites']} (no runner here runs {', '.join(left)}: not tested)"
        return self.model_copy(update={"suites": kept, "why": {**self.why, "tests.suites": reason}})

    def sentences(self, said: Spec) -> tuple[str, ...]:
        """The reasons of what is used: `name checkout: pyproject.toml has project.name`."""
        used = {
            "name": said.name is None,
            "build.requirements": said.build.requirements is None,
            "build.dockerfile": "dockerfile" not in said.build.model_fields_set,
            "tests.requirements": "requirements" not in said.tests.model_fields_set,
            "tests.suites": said.tests.suites is None,
            "release.command": said.release is None or said.release.command is None,
        }
        return tuple(f"{key}: {why}" for key, why in self.why.items() if used.get(key, True))


def detect(folder: str, listing: Sequence[str], texts: Mapping[str, str]) -> Detected:
    """What a project is.

    `folder` is its folder's name, `listing` its files (relative, with /), `texts` the texts of those that is_read
    wants; a text that is broken tells nothing.
    """
    files = frozenset(listing)
    pyproject = _toml(texts.get("pyproject.toml", ""))
    package = _json(texts.get("package.json", ""))
    why: dict[str, str] = {}
    name, why["name"] = _name(folder, pyproject, package)
    requirements, reason = _requirements(files, pyproject, texts)
    if requirements:
        why["build.requirements"] = reason
    suites, reason = test_suites(files, texts, pyproject, package)
    if suites:
        why["tests.suites"] = reason
    needs: tuple[str, ...] = ()
    if any(suite.framework == "pytest" for suite in suites):
        needs, why["tests.requirements"] = test_requirements(files, texts, pyproject)
    told = {name: text for name, text in texts.items() if not _HABITS.fullmatch(name)}
    command, reason = service_command(files, told)
    if command:
        why["release.command"] = reason
    if "Dockerfile" in files:
        why["build.dockerfile"] = "there is a Dockerfile, so an image can be built"
    return Detected(
        name=name,
        requirements=requirements or None,
        test_requirements=needs,
        suites=suites or None,
        command=command or None,
        by_pytest=by_pytest(suites, texts, why.get("tests.suites", "")),
        dockerfile="Dockerfile" in files,
        why=why,
    )


def complete(spec: Spec, detected: Detected) -> Spec:
    """The spec with what was detected, where it says nothing. What is said is never changed."""
    build: Build = spec.build
    if build.requirements is None and detected.requirements is not None:
        build = build.model_copy(update={"requirements": detected.requirements})
    tests: Tests = spec.tests
    if tests.suites is None and detected.suites is not None:
        tests = tests.model_copy(update={"suites": detected.suites})
    if "requirements" not in spec.tests.model_fields_set and detected.test_requirements:
        tests = tests.model_copy(update={"requirements": detected.test_requirements})
    release = spec.release
    if detected.command is not None and (release is None or release.command is None):
        release = (release or ReleaseSpec()).model_copy(update={"command": detected.command})
    name = spec.name or detected.name
    return spec.model_copy(update={"name": name, "build": build, "tests": tests, "release": release})


def _name(folder: str, pyproject: Mapping[str, Any], package: Mapping[str, Any]) -> tuple[str, str]:
    told = (
        (_at(pyproject, "project", "name"), "pyproject.toml has project.name"),
        (_at(pyproject, "tool", "poetry", "name"), "pyproject.toml has tool.poetry.name"),
        (package.get("name"), "package.json has a name"),
        (folder, "the folder's name"),
    )
    for value, why in told:
        name = _as_name(value)
        if name:
            return name, f"{name}: {why}"
    return "service", "service: nothing else tells a name"


def _as_name(value: Any) -> str:
    """A name as tes.yaml takes it: `@shop/Check_Out` → check-out. Empty when nothing of it can be used."""
    word = value.rpartition("/")[2] if isinstance(value, str) else ""
    return re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")[:63].strip("-")


def _requirements(
    files: frozenset[str], pyproject: Mapping[str, Any], texts: Mapping[str, str]
) -> tuple[tuple[str, ...], str]:
    is_package = "project" in pyproject or "setup.py" in files or _at(pyproject, "tool", "poetry") is not None
    is_package = is_package or "[metadata]" in texts.get("setup.cfg", "")
    named = next((name for name in ("requirements.txt", "requirements/base.txt") if name in files), None)
    if named and not (is_package and any(PurePosixPath(name).parts[0] == "src" for name in files)):
        return (named,), f"there is {named}"
    if named:
        return (named, "."), f"there is {named}, and the project's code lies in src/"
    source = "pyproject.toml" if "project" in pyproject or _at(pyproject, "tool", "poetry") else "setup.py or setup.cfg"
    return ((".",), f"{source} describes a package") if is_package else ((), "")


def _at(table: Any, *path: str) -> Any:
    for part in path:
        table = table.get(part) if isinstance(table, dict) else None
    return table


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
