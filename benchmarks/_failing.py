"""A suite in which some cases fail: copies of real ones, with a failure planted at the beginning of a few tests."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path

SUITES, COUNT, SEED = ("click", "jinja2", "tomlkit"), 10, 1
_TEST = re.compile(r"^def test_\w+\([^()]*\)(?: -> None)?:\n", re.MULTILINE)


def planted(folder: Path, copy: Path) -> Path:
    """`copy`, with COUNT test functions that fail, the same ones each time; parametrised ones in all their cases."""
    shutil.copytree(folder, copy)
    found = [(path, one.end()) for path in sorted(copy.glob("tests/**/test_*.py"))
             for one in _TEST.finditer(path.read_text(encoding="utf-8"))]  # fmt: skip
    for path, at in sorted(random.Random(SEED).sample(found, COUNT), reverse=True):
        text = path.read_text(encoding="utf-8")
        path.write_text(f"{text[:at]}    assert not 'planted'\n{text[at:]}", encoding="utf-8")
    return copy
