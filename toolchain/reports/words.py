"""Numbers as people read them, the same in every report."""

from __future__ import annotations

from datetime import UTC, datetime


def duration(seconds: float) -> str:
    """`3 ms`, `350 ms`, `2.4 s`, `41 s`, `2 min 5 s`, `1 h 4 min`; of nothing, `0 s`."""
    if seconds < 0.0005:
        return "0 s"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def number(value: float) -> str:
    """`1,234`."""
    return f"{value:,.0f}"


def percent(share: float) -> str:
    """Of 0..1. Only all of it is `100 %`, and only nothing is `0 %`: what is nearly so is not rounded to it."""
    if share in (0.0, 1.0):
        return f"{share * 100:.0f} %"
    return f"{min(99.9, max(0.1, share * 100)):.1f} %"


def plural(count: int, one: str, many: str = "") -> str:
    """`1 case`, `2 cases`."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def moment(epoch: float) -> str:
    """`2026-11-25 14:20 UTC`; of 0, nothing."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M UTC") if epoch > 0 else ""
