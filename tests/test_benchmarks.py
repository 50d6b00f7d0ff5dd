"""A benchmark is run by hand, and seldom: that it can still be loaded is looked at with everything else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
MODULES = sorted(path.name for path in FOLDER.glob("*.py") if not path.name.startswith("_"))


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_loads_and_says_how_it_is_run(name: str) -> None:
    done = subprocess.run(
        [sys.executable, str(FOLDER / name), "--help"], capture_output=True, text=True, timeout=120, cwd=FOLDER.parent
    )
    assert done.returncode == 0 and done.stdout.startswith("usage: "), done.stderr
