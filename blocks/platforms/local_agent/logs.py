"""Logs of copies. A copy appends to its file directly (it outlives the agent), so that rotation copies and truncates.

What is written between the copy and the truncation, microseconds, is lost: the price of not standing in between.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from domain.redaction import redact


def rotate(log: Path, size: int, keep: int) -> bool:
    """True when `log` had outgrown `size` bytes and is now `log.1`; the oldest of `keep` is gone."""
    try:
        if log.stat().st_size <= size:
            return False
    except FileNotFoundError:
        return False
    for number in range(keep - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            os.replace(older, log.with_name(f"{log.name}.{number + 1}"))
    try:
        shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    finally:
        os.truncate(log, 0)  # also when the disk is too full for a copy: a log must never fill it
    return True


def tail(log: Path, secrets: Iterable[str] = (), lines: int = 8, limit: int = 1200) -> str:
    """The last lines, at most `limit` characters, without the values of secrets."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4 * limit))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    text = redact(text, secrets)
    return "\n".join(text.rstrip().splitlines()[-lines:])[-limit:]
