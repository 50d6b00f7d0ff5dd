"""The interpreter that a project's tests run in on this machine, and why that one. Standard library only, for speed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from typing import NamedTuple

from domain.errors import SpecError

BESIDE = (".venv", "venv")
ASKED_S = 30.0
"""How long an interpreter may take to answer, in seconds."""


class Chosen(NamedTuple):
    """An interpreter; `why` completes "because it is ..."."""

    path: str
    why: str


def choose(project: str, named: str | None, environment: Mapping[str, str] = os.environ) -> Chosen:
    """The one that tes.yaml names, else the active environment's, else that of a `.venv` beside the project, else
    python3 of PATH. SpecError when there is none, or the named one is not there."""
    if named is not None:
        found = _named(project, named, environment)
        if found is None:
            raise SpecError(
                f"tests.python: there is no interpreter {named!r}",
                fix="name one that is there, or leave tests.python out: a .venv beside the project is found",
            )
        return Chosen(found, "tests.python in tes.yaml")
    active = environment.get("VIRTUAL_ENV")
    if active and (found := _in(active)):
        return Chosen(found, "the active environment")
    for name in BESIDE:
        if found := _in(os.path.join(project, name)):
            return Chosen(found, f"the project's {name}")
    for name in ("python3", "python"):
        if found := _on_path(name, environment):
            return Chosen(found, f"{name} on PATH; no environment is active and there is no .venv")
    raise SpecError("there is no Python to run the tests with", fix="make a .venv in the project, or set tests.python")


def surroundings(chosen: Chosen, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of a process of that interpreter: as if its virtual environment had been activated."""
    own = dict(environment)
    folder = os.path.dirname(os.path.dirname(chosen.path))
    if os.path.exists(os.path.join(folder, "pyvenv.cfg")) and own.get("VIRTUAL_ENV") != folder:
        own["VIRTUAL_ENV"] = folder
        own["PATH"] = os.pathsep.join([os.path.dirname(chosen.path), own.get("PATH", os.defpath)])
    return own


def has(chosen: Chosen, module: str, environment: Mapping[str, str]) -> bool:
    """Whether that interpreter can import a module of that name. It is asked: an environment may look into others."""
    ask = f"import sys, importlib.util; sys.exit(importlib.util.find_spec({module!r}) is None)"
    try:
        asked = subprocess.run(
            [chosen.path, "-c", ask],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=ASKED_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def _named(project: str, named: str, environment: Mapping[str, str]) -> str | None:
    path = os.path.join(project, os.path.expanduser(named))
    if "/" in named or os.path.isdir(path):
        return _in(path) if os.path.isdir(path) else _usable(os.path.normpath(path))
    return _on_path(named, environment)


def _in(folder: str) -> str | None:
    """The interpreter of a virtual environment. Its link is not followed: the link is what makes it that one."""
    return next((path for name in ("python", "python3") if (path := _usable(f"{folder}/bin/{name}"))), None)


def _on_path(name: str, environment: Mapping[str, str]) -> str | None:
    folders = environment.get("PATH", os.defpath).split(os.pathsep)
    return next((path for folder in folders if folder and (path := _usable(os.path.join(folder, name)))), None)


def _usable(path: str) -> str | None:
    return path if os.access(path, os.X_OK) and not os.path.isdir(path) else None
