"""How long a case is expected to take: an exponentially weighted mean of what it took, the newest counting most.

One observation far from the others (a stalled disk, a machine that slept) is pulled in before it counts, to at most
`REACH` times the median or a `REACH`th of it: winsorising, as in W. J. Dixon, Simplified Estimation from Censored
Normal Samples, Ann. Math. Statist. 31(2), 1960. A change that lasts moves the median: it is believed in two runs.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

K = TypeVar("K", bound=Hashable)

ALPHA = 0.5
REACH = 3.0


def expected(newest_first: Sequence[float]) -> float | None:
    """Seconds to expect after these observations; None when there is none that can be one (negative, not finite)."""
    seen = [value for value in newest_first if math.isfinite(value) and value >= 0]
    if not seen:
        return None
    if len(seen) == 1:
        return seen[0]
    middle = _median(seen)
    low, high = middle / REACH, middle * REACH
    weight, total, weights = 1.0, 0.0, 0.0
    for value in seen:
        total += weight * (value if low <= value <= high else min(max(value, low), high))
        weights += weight
        weight *= 1 - ALPHA
    return total / weights


def _median(values: Sequence[float]) -> float:
    """The lower one of the two in the middle: of two observations the shorter is more likely undisturbed."""
    return sorted(values)[(len(values) - 1) // 2]


def expectations(history: Mapping[K, Sequence[float]]) -> dict[K, float]:
    """Case → expected seconds, for the cases that have any observation."""
    found = ((case, expected(seconds)) for case, seconds in history.items())
    return {case: seconds for case, seconds in found if seconds is not None}


def gathered(rows: Iterable[tuple[K, float]]) -> dict[K, list[float]]:
    """(case, seconds) rows, newest first → the observations of each case, newest first."""
    history: dict[K, list[float]] = {}
    for case, seconds in rows:
        history.setdefault(case, []).append(seconds)
    return history
