from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project's folder; what the engine leaves is beside it."""
    root = tmp_path / "project"
    root.mkdir()
    return root
