from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from checkout import migrate
from checkout.app import app


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has a database of its own."""
    for name in ("TES_ENVIRONMENT", "TES_VERSION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CHECKOUT_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def service(data: Path) -> Iterator[TestClient]:
    migrate.migrate()
    with TestClient(app) as client:
        yield client
