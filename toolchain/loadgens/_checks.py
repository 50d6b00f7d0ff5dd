"""The checks that failed, for a message: a script may make thousands of them, under names of any length."""

from __future__ import annotations

from collections.abc import Iterable

from toolchain.reports.trusted import one_line

SHOWN = 5
NAME = 120  # characters


def failed_checks(checks: Iterable[tuple[str, int, int]]) -> tuple[str, ...]:
    """(name, passes, fails) of each → "name: 3 of 10 failed", the most failed first, five at most."""
    failed = sorted((c for c in checks if c[2]), key=lambda c: (-c[2], c[0]))
    return tuple(
        f"{one_line(name, NAME)}: {fails} of {passes + fails} failed" for name, passes, fails in failed[:SHOWN]
    )
