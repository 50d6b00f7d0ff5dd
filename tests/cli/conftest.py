"""A project for the tests of `tes test`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def project(tmp_path: Path, tes_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty project whose tests run in our own environment, and whose runs are not recorded."""
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    monkeypatch.setenv("TES_RECORD", "0")
    monkeypatch.setenv("TES_DATABASE_URL", f"sqlite:///{tes_home}/records.db")
    yield folder
