"""What a case had run before it, as far as there is time to run that again."""

from __future__ import annotations

from typing import List, NamedTuple, Set

LONGEST = 120.0
"""Seconds that cases may have taken, added up, for all of them to be run again on a suspicion."""


class Did(NamedTuple):
    """One case that a worker has run, and the seconds that it took."""

    batch: int
    case: str
    seconds: float


def company(did: List[Did], wanted: Set[str]) -> List[Did]:
    """All of them, less the longest of those not `wanted` where there is no time for all. What spoils a case, or what
    it counts on, is seldom what takes longest; and no failure is lifted by this alone."""
    too_long = sum(one.seconds for one in did) - LONGEST
    left: Set[int] = set()
    for at in sorted(range(len(did)), key=lambda at: -did[at].seconds):
        if too_long <= 0:
            break
        if did[at].case not in wanted:
            left.add(at)
            too_long -= did[at].seconds
    return [one for at, one in enumerate(did) if at not in left]
