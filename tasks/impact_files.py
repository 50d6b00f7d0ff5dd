"""The project's files as impact selection sees them: found, stamped, and read only where a stamp differs."""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from domain.blocks import digest

# What pytest and the import system read before any case: a change of one changes everything.
SETTINGS = (
    "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "pyproject.toml", "tox.ini", "setup.cfg", "setup.py",
    "tes.yaml", "sitecustomize.py", "usercustomize.py",
)  # fmt: skip
_LEFT_OUT = frozenset({"__pycache__", "node_modules", "site-packages"})
# What tools keep for themselves, and change at each run.
_KEPT = frozenset({".git", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".benchmarks", ".tox", ".nox"})
_MEASURED = (".coverage", ".testmondata")
_BIG = 64 << 20  # bytes
_CLOCK_NS = 20_000_000  # what a file system's clock may be behind
TEXT = "test*.txt"
ABSENT = (-1, -1, -1)
Stamp = tuple[int, int, int]


def python_files(root: Path, others: dict[str, Stamp] | None = None) -> dict[str, Stamp]:
    """Path from the root → stamp of every Python file, of the settings in the root and of texts that pytest takes for
    tests by itself. Hidden folders and virtual environments are not the project's. What else there is goes into
    `others`, where that is given."""
    found: dict[str, Stamp] = {}
    folders = [("", os.fspath(root), found)]
    while folders:
        prefix, folder, into = folders.pop()
        inner: list[tuple[str, str, dict[str, Stamp]]] = []
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            name = entry.name
            if _watched(name) or (not prefix and name in SETTINGS):
                try:
                    into[prefix + name] = _stamp(entry.stat())
                except OSError:
                    continue
            elif name == "pyvenv.cfg":
                inner = []
                break
            elif name in _LEFT_OUT:
                continue
            elif entry.is_dir(follow_symlinks=False):
                if name[0] != ".":
                    inner.append((f"{prefix}{name}/", entry.path, into))
                elif others is not None and name not in _KEPT:
                    inner.append((f"{prefix}{name}/", entry.path, others))
            elif others is not None and not name.endswith(".pyc") and not name.startswith(_MEASURED):
                others[prefix + name] = stamp(Path(entry.path))
        folders += inner
    return found


def others_since(root: Path, at: int) -> dict[str, Stamp]:
    """The stamps of what else there is. What has changed since `at` (ns since the epoch) has none: it may have been
    another when it was read."""
    found: dict[str, Stamp] = {}
    python_files(root, found)
    for name in found:
        try:
            late = os.stat(root / name).st_ctime_ns > at - _CLOCK_NS
        except OSError:
            late = True
        if late:
            found[name] = ABSENT
    return found


def below(name: str, paths: Sequence[str]) -> bool:
    """Whether pytest, told these files, folders, node ids or patterns of them, would come to this file; no paths are
    the whole project. One that leads out of it, or to it by an absolute name, might be anything."""
    if not paths:
        return True
    for path in paths:
        there = os.path.normpath(path.partition("::")[0])
        if there == "." or there.startswith("..") or os.path.isabs(there):
            return True
        if fnmatch.fnmatch(name, there) or fnmatch.fnmatch(name, f"{there}/*"):
            return True
    return False


Known = tuple[int, int, int, str]
"""A stamp, and the digest of what was there; "" where only the stamp can tell."""


def known(root: Path, stamps: Mapping[str, Stamp], before: Mapping[str, Sequence[Any]]) -> dict[str, Known]:
    """The stamps with digests of the files that still have them. What is known from `before` is not read again."""
    found: dict[str, Known] = {}
    for name, then in stamps.items():
        old = before.get(name, ())
        digested = str(old[3]) if tuple(old[:3]) == then and len(old) > 3 and old[3] else _digested(root / name, then)
        found[name] = (*then, digested)
    return found


def differs(root: Path, name: str, now: Stamp | None, then: Sequence[Any]) -> bool:
    """Whether the file is another than the one that is `known`: its bytes are read where only its stamp differs, as in
    each new copy of a project."""
    if now is None or tuple(then[:3]) == now:
        return now is None
    return len(then) < 4 or not then[3] or then[0] != now[0] or _digested(root / name, now) != then[3]


def _digested(path: Path, then: Stamp) -> str:
    """The digest of a regular file's bytes, and of whether it may be executed, if it has this stamp before and after
    it is read. A big one has none: to read it costs more than most cases do."""
    if not 0 <= then[0] <= _BIG or not path.is_file() or stamp(path) != then:
        return ""
    found = content(path)
    return f"{found}{' x' * (then[2] & 1)}" if found and stamp(path) == then else ""


def _watched(name: str) -> bool:
    return name.endswith(".py") or (name.startswith("test") and name.endswith(".txt"))


def stamp(path: Path) -> Stamp:
    """Size, time of change (ns), and inode with whether it may be executed; ABSENT for what is not there."""
    try:
        return _stamp(path.stat())
    except OSError:
        return ABSENT


def _stamp(found: os.stat_result) -> Stamp:
    which = found.st_ino << 1 | bool(found.st_mode & 0o111)
    return (-2 if stat.S_ISDIR(found.st_mode) else found.st_size), found.st_mtime_ns, which


def content(path: Path) -> str:
    """The digest of a file's bytes or of a folder's names; "" when it is not there."""
    try:
        if path.is_dir():
            names = sorted(name for name in os.listdir(path) if name not in _LEFT_OUT and not name.endswith(".pyc"))
            return digest("\0".join(names).encode("utf-8", "surrogateescape"))
        return digest(path.read_bytes())
    except OSError:
        return ""


def environment_lock(folders: Iterable[str]) -> str:
    """What is installed in these import folders: names and versions. A project that is installed from a folder of this
    machine counts with each file of it, because its version says nothing."""
    told: list[str] = []
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            told.append(f"{folder}: none")
            continue
        for name in names:
            if name.endswith((".dist-info", ".egg-info", ".egg-link", ".pth")):
                told.append(name)
                if name.endswith((".pth", ".egg-link")):
                    told.append(content(Path(folder, name)))
                elif os.path.exists(os.path.join(folder, name, "direct_url.json")):
                    told.append(content(Path(folder, name, "RECORD")))
    return digest("\n".join(told).encode("utf-8", "surrogateescape"))
