"""Where a suite's framework finds what the tests need: a Python environment, or node_modules beside the files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from domain.spec import Build, Suite
from domain.supply import Source
from tasks import node_modules
from tasks.locked_environment import locked_environment
from toolchain.registry import module


class Environment(NamedTuple):
    """`python` is None for a suite that no Python runs; `modules` are the node_modules to link, None for none.
    `timeout`, in seconds, is for what has to be installed in a tree itself."""

    kind: str = "python"
    python: Path | None = None
    modules: Path | None = None
    timeout: float = 900.0


async def suite_environment(
    source: Source, suite: Suite, build: Build, store: Path, requirements: Sequence[str]
) -> Environment:
    """What the suite's runner asks for by its `ENVIRONMENT`: "python" when it says nothing, "node_modules", or "" for
    nothing but what is on PATH. Errors as in `locked_environment` and `node_modules.install`."""
    kind = getattr(module("toolchain.runners", suite.framework), "ENVIRONMENT", "python")
    if kind == "python":
        return Environment(kind, python=(await locked_environment(source, build, store, requirements)).python)
    if kind == "node_modules":
        return Environment(
            kind, modules=await node_modules.install(source, store, build.timeout), timeout=build.timeout
        )
    return Environment(kind)


async def furnish(environment: Environment, source: Source, tree: Path) -> None:
    """Puts into a work copy of the source what has to lie beside its files."""
    if environment.kind == "node_modules":
        await node_modules.provide(source, environment.modules, tree, environment.timeout)
