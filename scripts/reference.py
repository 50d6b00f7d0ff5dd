#!/usr/bin/env python3
"""Writes docs/reference/tes.schema.json and the tables of keys in docs/reference/tes-yaml.md from the model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from domain.schema import schema, tables  # noqa: E402

SCHEMA = ROOT / "docs" / "reference" / "tes.schema.json"
PAGE = ROOT / "docs" / "reference" / "tes-yaml.md"
BEGIN, END = "<!-- keys: scripts/reference.py -->", "<!-- end of keys -->"


def schema_text() -> str:
    return json.dumps(schema(), indent=2) + "\n"


def page_text(page: str) -> str:
    """The page with its tables renewed."""
    before, rest = page.split(BEGIN, 1)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{rest.split(END, 1)[1]}"


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    PAGE.write_text(page_text(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"wrote {SCHEMA.relative_to(ROOT)} and the tables of {PAGE.relative_to(ROOT)}")
