"""Which new and changed cases are run again at once, and how often: a flake is cheapest on the day it is written.

The next repetition goes where it finds most a second. Of a case that flakes at rate `p`, the k-th further attempt is
the first to show it with probability p(1-p)^k: cheap cases come first and none is repeated without end. That is the
optimum for a budget of time, since each case's chances only fall. Ten times at most is what others do, too.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Mapping

from domain.verdict import Value

EXPECTED_RATE = 0.05
"""The flake rate that repetitions are meant to show: rarer ones take more attempts than a budget has."""
LEAST_SECONDS = 0.001
"""A case takes at least this long: starting and reporting it is not for nothing."""


class Repetition(Value):
    """Extra attempts of each case, and why not more. `seconds` is what they are expected to take one after another."""

    extra: dict[str, int]
    seconds: float = 0.0
    reason: str = ""


def fresh(cases: Collection[str], known: Collection[str], changed: Collection[str] = ()) -> tuple[str, ...]:
    """The cases of a run that have no history or whose file or own id is named as changed, in their order."""
    seen, touched = set(known), set(changed)
    return tuple(case for case in cases if case not in seen or case in touched or case.partition("::")[0] in touched)


def repetitions(
    candidates: Mapping[str, float], cases: int, budget: float, *, most: int = 10, share: float = 0.5
) -> Repetition:
    """How often each candidate (id → seconds of its first attempt) is run again within `budget` seconds.

    Where more than `share` of all `cases` are new or changed, history is what is new, and nothing is repeated. Equal
    input gives equal output; no case is repeated more than `most` times; time n log n in the attempts given out.
    """
    if not candidates or budget <= 0 or most < 1:
        return Repetition(extra={}, reason="" if not candidates else "no time is set aside for repetitions")
    if len(candidates) > share * cases:
        return Repetition(extra={}, reason=f"{len(candidates)} of {cases} cases are new or changed: too many to repeat")
    costs = {
        case: max(LEAST_SECONDS, seconds if math.isfinite(seconds) else math.inf)
        for case, seconds in candidates.items()
    }
    heap = [(-EXPECTED_RATE / cost, case) for case, cost in costs.items() if cost <= budget]
    heapq.heapify(heap)
    extra: dict[str, int] = {}
    left = budget
    while heap:
        gain, case = heapq.heappop(heap)
        if costs[case] > left:
            continue
        left -= costs[case]
        extra[case] = extra.get(case, 0) + 1
        if extra[case] < most:
            heapq.heappush(heap, (gain * (1 - EXPECTED_RATE), case))
    without = len(candidates) - len(extra)
    reason = (
        f"{without} of {len(candidates)} new or changed cases are too slow to repeat in {budget:.0f} s"
        if without
        else ""
    )
    return Repetition(extra=extra, seconds=budget - left, reason=reason)
