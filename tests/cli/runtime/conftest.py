"""One real runtime for the tests of this folder, on a home of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli import runtime


def belonging(home: Path) -> list[int]:
    """Pids of every process whose environment names this home; the runtime's, whatever it calls itself."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("TES_HOME") == str(home):
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.pid)
        except (psutil.Error, PermissionError, ProcessLookupError):
            continue
    return found


@pytest.fixture(scope="package")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose runtime lives as long as the tests of this folder; `up` is quick when it is up already."""
    home = tmp_path_factory.mktemp("runtime") / "home"
    yield home
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TES_HOME", str(home))
        asyncio.run(runtime.down())
    assert belonging(home) == []


@pytest.fixture
def home(shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shared home, named by `TES_HOME`."""
    monkeypatch.setenv("TES_HOME", str(shared_home))
    return shared_home


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home for one test that ends what it starts."""
    monkeypatch.setenv("TES_HOME", str(tmp_path / "own"))
    yield tmp_path / "own"
    asyncio.run(runtime.down())
    assert belonging(tmp_path / "own") == []
