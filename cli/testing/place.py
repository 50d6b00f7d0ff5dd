"""What a person means by `tes test PATH`: which project, and which part of it. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from domain.errors import SpecError

# A folder with one of these is a project.
MARKS = (
    "tes.yaml", "tes.yml", "pyproject.toml", "setup.py", "setup.cfg", "tox.ini", "pytest.ini", ".pytest.ini",
    "package.json", "go.mod", "Cargo.toml", "pom.xml", "build.gradle", ".git",
)  # fmt: skip
# Options of pytest whose value is the next word; a file that is such a value is no choice of tests.
_VALUED = frozenset({
    "-k", "-m", "-c", "-p", "-o", "-W", "-r", "-n", "--ignore", "--ignore-glob", "--deselect", "--rootdir",
    "--confcutdir", "--basetemp", "--junitxml", "--junit-xml", "--cov-config", "--cov-report", "--maxfail",
    "--durations", "--import-mode", "--log-file",
    "--log-level", "--log-cli-level", "--config-file", "--capture", "--tb", "--color",
    "--override-ini", "--pythonwarnings", "--verbosity",
})  # fmt: skip


class Place(NamedTuple):
    """A project's folder, absolute, and what of it was asked for: paths or node ids from there; empty for all."""

    project: str
    selection: tuple[str, ...] = ()


def located(path: str) -> Place:
    """A folder is a project, unless it is a part of one around it; a file or a node id is a part of the nearest.

    Around it means up to the current folder, or the repository. SpecError when there is nothing at the path.
    """
    name, mark, rest = path.partition("::")
    full = os.path.abspath(os.path.expanduser(name))
    if not os.path.exists(full):
        raise SpecError(f"{name} is not there", fix="name a project's folder, or a file or a folder of its tests")
    here = os.getcwd()
    inside = full.startswith(here.rstrip("/") + "/")
    if os.path.isdir(full) and not mark and (not inside or _marked(full)):
        return Place(full)
    project = _around(full, here if inside else "")
    if project is None:
        return Place(full) if os.path.isdir(full) else _part(os.path.dirname(full), full, mark + rest)
    return _part(project, full, mark + rest)


def _around(path: str, here: str) -> str | None:
    """The nearest project around a path, not looking above the current folder. None when nothing says it is one; a file
    below the current folder belongs to that all the same."""
    folder = os.path.dirname(path)
    while not _marked(folder):
        parent = os.path.dirname(folder)
        if folder == here or parent == folder:
            return here if here and not os.path.isdir(path) else None
        folder = parent
    return folder


def _part(project: str, full: str, rest: str) -> Place:
    return Place(project, (os.path.relpath(full, project) + rest,))


def _marked(folder: str) -> bool:
    return any(os.path.lexists(os.path.join(folder, name)) for name in MARKS)


def chosen(words: Sequence[str], root: str) -> tuple[list[str], list[str]]:
    """Of the runner's words, the options and the tests that are named: what is a file or a folder in the project, or a
    node id in one, and no option's value."""
    options: list[str] = []
    named: list[str] = []
    before = ""
    for word in words:
        is_test = not word.startswith("-") and before not in _VALUED
        if is_test and os.path.exists(os.path.join(root, word.partition("::")[0])):
            named.append(word)
        else:
            options.append(word)
        before = word
    return options, named
