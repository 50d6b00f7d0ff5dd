"""Starts the engine: `python boot.py --out FOLDER [options] -- [pytest's arguments]`.

As `python -m pytest` does, it puts the current folder first on the path. Nothing else gets there: the engine's own
folder does not, and the package has a name that no project uses.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from types import ModuleType

NAME = "_tes_engine"
HERE = os.path.dirname(os.path.abspath(__file__))


def load(module: str) -> ModuleType:
    """A module of the engine, under its private name."""
    if NAME not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            NAME, os.path.join(HERE, "__init__.py"), submodule_search_locations=[HERE]
        )
        assert spec is not None and spec.loader is not None
        package = importlib.util.module_from_spec(spec)
        sys.modules[NAME] = package
        spec.loader.exec_module(package)
    return importlib.import_module(f"{NAME}.{module}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--resident"]:
        del sys.path[0]
        sys.exit(load("resident").serve())
    sys.path[0] = os.getcwd()
    if sys.argv[1:] == ["--ahead"]:
        sys.argv[1:] = load("ahead").words()
    sys.exit(load("main").main(sys.argv[1:]))
