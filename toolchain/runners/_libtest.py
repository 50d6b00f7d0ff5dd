"""What Rust's own test harness prints of a failure, under cargo test as under nextest."""

from __future__ import annotations

import re

_PANICKED = re.compile(r"panicked at (\S+:\d+:\d+):$")


def message(text: str) -> str:
    """The reason. Since Rust 1.73 it stands below the place, beside which is the number of a thread."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if (found := _PANICKED.search(line)) and number + 1 < len(lines):
            return f"{lines[number + 1]} ({found[1]})"
        if "panicked at" in line or line.startswith("Error"):
            return line
    return lines[0] if lines else ""
