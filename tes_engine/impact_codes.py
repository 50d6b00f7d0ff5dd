"""Whose a file is, and numbers for the project's code objects."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from typing import Any, Dict, List, Optional, Set, Tuple

_CACHES = frozenset((".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".benchmarks", ".tox", ".nox",
                     ".eggs", "__pycache__", "site-packages"))  # fmt: skip
_MEASURED = (".coverage", ".testmondata")
# In place of __pycache__, which is a folder that nobody looks into.
BYTECODE = "<bytecode>"
_CUT = ("<frozen importlib", "/_pytest/", "/pluggy/", "/tes_engine/")
_TASKS = 0x80 | 0x200  # CO_COROUTINE, CO_ASYNC_GENERATOR: an event loop calls these from anywhere


class Anything:
    """Stands for all the code of a file."""

    co_firstlineno, co_name, co_flags = 0, "?", 0


class Codes:
    """`root` is the project's folder: what is outside of it, or installed into it, is not the project's."""

    def __init__(self, out: str, root: str) -> None:
        self.roots = tuple(dict.fromkeys(os.path.join(path, "") for path in (root, os.path.realpath(root))))
        self.outside = tuple(
            os.path.join(path, "")
            for path in {sys.prefix, sys.exec_prefix, out, *_installed()}
            if not self.roots[0].startswith(os.path.join(path, ""))
        )
        self.copies = _copies(out)
        self.numbers: Dict[int, Optional[int]] = {}  # of code objects, by identity; None is not the project's
        self.all: List[Tuple[Any, str]] = []  # keeps them alive, so that identities stay theirs
        self.cut: Set[int] = set()  # where calls lead from anywhere to anywhere: imports, pytest, pluggy
        self.tasks: Set[int] = set()  # numbers of those whose caller need not be who wanted them

    def path(self, name: str) -> Optional[str]:
        """A file's path from the root; None when it is not the project's, or what tools keep there for themselves."""
        if not os.path.isabs(name):
            name = os.path.abspath(name)
        if self.copies and (twin := self.copied(name)) is not None:
            return twin
        for root in self.roots:
            if name.startswith(root):
                if name.startswith(self.outside):
                    return None
                path = name[len(root) :].replace(os.sep, "/")
                parts = path.split("/")
                return None if parts[-1].startswith(_MEASURED) or not _CACHES.isdisjoint(parts) else path
        return None

    def copied(self, name: str) -> Optional[str]:
        """The path of the project's file that this is an installed copy of, or the compiled one of such a copy."""
        folder, compiled, rest = name.partition(f"{os.sep}{BYTECODE}{os.sep}")
        if not compiled:
            return self.copies.get(name)
        twin = self.copies.get(os.path.join(folder, f"{rest.partition('.')[0]}.py"))
        return None if twin is None else f"{twin.rpartition('/')[0]}/{BYTECODE}/{rest}".lstrip("/")

    def number(self, code: Any) -> Optional[int]:
        """The number of one of the project's code objects."""
        try:
            return self.numbers[id(code)]
        except KeyError:
            pass
        name = getattr(code, "co_filename", "<")
        path = None if name[:1] == "<" else self.path(name)
        found = None
        if path is not None:
            found = len(self.all)
            if code.co_flags & _TASKS:
                self.tasks.add(found)
        elif any(part in name.replace(os.sep, "/") for part in _CUT):
            self.cut.add(id(code))
        self.numbers[id(code)] = found
        self.all.append((code, path or ""))
        return found

    def whole(self, path: str) -> int:
        """A number for all the code of a file."""
        self.all.append((Anything(), path))
        return len(self.all) - 1


def _copies(out: str) -> Dict[str, str]:
    """Installed files and folders that are the project's own: by whoever started this, who made the environment."""
    try:
        with open(os.path.join(out, "copies.json"), encoding="utf-8") as file:
            told = json.load(file)
    except (OSError, ValueError):
        return {}
    return {str(name): str(path) for name, path in told.items()}


def _installed() -> List[str]:
    paths = sysconfig.get_paths()
    return [paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib") if key in paths]
