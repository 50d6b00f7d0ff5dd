"""What the proxy's access log says of a release's requests."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from domain.place import Traffic

RESOLUTION = 0.001
"""Seconds: HAProxy counts whole milliseconds. What took less than one counts as half of one."""


def traffic(version: str, seats: Collection[int], lines: Iterable[str], since: float, now: float) -> Traffic:
    """The public requests that these seats answered since a moment, from lines `tes TIME SERVER STATUS MS FLAGS`.
    A request that its client gave up is nobody's error and does not count."""
    names = {f"s{seat}" for seat in seats}
    times: list[float] = []
    errors = 0
    for line in lines:
        words = line.split()
        if len(words) != 6 or words[0] != "tes" or words[2] not in names:
            continue
        moment, status, took, flags = float(words[1]), int(words[3]), int(words[4]), words[5]
        if moment < since or flags.startswith("C"):
            continue
        errors += status >= 500 or status <= 0
        times.append(max(took * RESOLUTION, RESOLUTION / 2))
    times.sort()
    return Traffic(
        version=version,
        requests=len(times),
        errors=errors,
        seconds=max(now - since, 0.0) if times else 0.0,
        p50=_at(times, 0.50),
        p95=_at(times, 0.95),
        p99=_at(times, 0.99),
    )


def _at(times: list[float], share: float) -> float:
    """The nearest-rank percentile; 0 of none."""
    return times[min(len(times) - 1, int(share * len(times)))] if times else 0.0
