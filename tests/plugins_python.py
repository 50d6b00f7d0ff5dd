"""An interpreter that has pytest's plugins as people install them, made once for a run of the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parent / "tes_engine" / "requirements-plugins.txt"


@pytest.fixture(scope="session")
def plugins_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its path. For tests that are marked `requires("package-index")`."""
    folder = tmp_path_factory.mktemp("plugins") / "venv"
    made = str(folder / "bin" / "python")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "--python", made]
    subprocess.run([*pip, "install", "-qq", "--no-compile", "--requirement", REQUIREMENTS], check=True)
    return made
