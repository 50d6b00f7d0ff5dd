"""The file's name is the name in configuration: finds a module by it, or tells which there are."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from types import ModuleType

from domain.errors import SpecError


def known(package: str) -> tuple[str, ...]:
    """The names of a package's modules, sorted: `known("toolchain.scanners")` → ("bandit", ...)."""
    home = importlib.import_module(package)
    return tuple(sorted(m.name for m in pkgutil.iter_modules(home.__path__) if not m.name.startswith("_")))


def module(package: str, name: str) -> ModuleType:
    """The module of that name. SpecError names the known ones and the nearest."""
    names = known(package)
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        kind = package.rpartition(".")[2].removesuffix("s")
        raise SpecError(
            f"there is no {kind} {name!r}; known: {', '.join(names)}",
            fix=f"did you mean {near[0]!r}?" if near else f"add {package.replace('.', '/')}/{name}.py",
        )
    return importlib.import_module(f"{package}.{name}")
