"""Splits cases over shards so that the shards end together: longest processing time first.

The slowest shard takes at most 4/3 - 1/(3m) of the best possible time on m shards.
Source: R. L. Graham, Bounds on Multiprocessing Timing Anomalies, SIAM J. Appl. Math. 17(2), 1969.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence


def split(cases: Sequence[tuple[str, float | None]], shards: int) -> tuple[tuple[str, ...], ...]:
    """Cases (id, expected seconds or None) → the ids of each shard, longest first.

    A duration that is not known, or that cannot be one, counts as the mean of the known ones. As many shards come back
    as were asked for; none is empty when there are cases enough. Equal input gives equal output. ValueError for fewer
    than one shard.
    """
    if shards < 1:
        raise ValueError(f"at least 1 shard is wanted, not {shards}")
    durations = expected([seconds for _, seconds in cases])
    longest_first = sorted(range(len(cases)), key=lambda index: (-durations[index], cases[index][0], index))
    # The count keeps shards from staying empty when durations are zero; the number makes it deterministic.
    loads = [(0.0, 0, number) for number in range(shards)]
    filled: list[list[str]] = [[] for _ in range(shards)]
    for index in longest_first:
        load, count, number = loads[0]
        filled[number].append(cases[index][0])
        heapq.heapreplace(loads, (load + durations[index], count + 1, number))
    return tuple(tuple(shard) for shard in filled)


def expected(seconds: Sequence[float | None]) -> list[float]:
    """Durations with the unknown ones (None, negative, not finite) as the mean of the known; 1 s when none is."""
    known = [value for value in seconds if value is not None and math.isfinite(value) and value >= 0]
    mean = math.fsum(value / len(known) for value in known) if known else 1.0
    return [value if value is not None and math.isfinite(value) and value >= 0 else mean for value in seconds]
