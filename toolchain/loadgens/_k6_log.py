"""k6's log, one JSON object a line: the one place where a script that threw can be seen."""

from __future__ import annotations

import json
from pathlib import Path

from toolchain.reports.trusted import one_line

SHOWN = 3
LINE = 64 * 1024  # characters


def errors_in(log: Path) -> dict[str, int]:
    """The log's errors, by text: what broke in k6 or was thrown; not what the script wrote itself (console.error)."""
    found: dict[str, int] = {}
    try:
        with log.open(encoding="utf-8", errors="replace") as lines:
            while line := lines.readline(LINE):
                if '"level":"error"' not in line:
                    continue
                try:
                    entry = json.loads(line)
                except ValueError:
                    entry = {"msg": line}
                text = one_line(str(entry.get("msg", "")), 200)
                if entry.get("source") != "console" and not text.startswith("thresholds on metrics"):
                    found[text] = found.get(text, 0) + 1
    except FileNotFoundError:
        pass
    return found


def most_frequent(errors: dict[str, int]) -> str:
    """The most frequent of them in one line."""
    often = sorted(errors.items(), key=lambda item: -item[1])[:SHOWN]
    return "; ".join(f"{text} ({count} times)" if count > 1 else text for text, count in often)
