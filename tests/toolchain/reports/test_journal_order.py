"""A run that was gone on with is judged by its last part, however many there were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from toolchain.reports import journal


@pytest.mark.parametrize("parts", [2, 11])
def test_the_last_word_is_that_of_the_last_run(tmp_path: Path, parts: int) -> None:
    for number in range(1, parts + 1):
        name = "main" if number == 1 else f"main-{number}"
        lines = [{"e": "session", "workers": number}]
        lines += [{"e": "end", "exit": number}] if number != 1 else []
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = journal.read(tmp_path, "unit")
    assert found.end is not None and found.end["exit"] == parts and found.session["workers"] == parts
