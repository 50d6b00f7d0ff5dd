"""Runs `tes test` in a small project, as a person would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TES = Path(sys.executable).with_name("tes")
GOOD = "def test_good():\n    assert True\n"
BAD = "def test_bad():\n    assert 1 == 2\n"
FLAKY = """
import pathlib
SEEN = pathlib.Path(__file__).with_name("seen")
def test_flaky():
    if not SEEN.exists():
        SEEN.touch()
        raise AssertionError("the first time")
"""


def write(project: Path, **files: str) -> None:
    for name, text in files.items():
        (project / f"{name}.py").write_text(text)


def tes(project: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TES, "test", *words],
        cwd=project,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


def result(project: Path, *words: str, **environment: str) -> tuple[int, dict[str, Any]]:
    done = tes(project, "--json", *words, **environment)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)
