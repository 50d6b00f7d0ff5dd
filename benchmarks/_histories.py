"""Histories of test cases whose truth is known, as a project's runs would have recorded them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from domain.cases import Status
from domain.flakiness import Seen, storms

CONTENTS = 100
STABLE, OTHERS = 1000, 40
BAD_DAYS, BAD_DAY_RATE = 0.04, 0.4
"""Of the runs, so many are on a machine on which so many of all attempts fail, whatever the case."""


class Case(NamedTuple):
    """`flaky`: it flakes now, which is what somebody who looks at its history should say. `broken`: it fails every
    time, now."""

    kind: str
    flaky: bool
    broken: bool
    history: list[Seen]


class Kind(NamedTuple):
    """`rate` gives the chance that an attempt fails, from how far the time is (0..1) and two moments of the case's."""

    flaky: bool
    broken: bool
    rate: Callable[[float, float, float], float]


# A regression breaks between 60 % and 97 % of the time; what was repaired was so at 30 % to 60 %.
KINDS = {
    "stable": Kind(False, False, lambda now, begin, end: 0.0),
    "flaky 2 %": Kind(True, False, lambda now, begin, end: 0.02),
    "flaky 10 %": Kind(True, False, lambda now, begin, end: 0.10),
    "drift 0 to 20 %": Kind(True, False, lambda now, begin, end: 0.2 * now),
    "regression": Kind(False, True, lambda now, begin, end: float(now >= end)),
    "regression, repaired": Kind(False, False, lambda now, begin, end: float(begin - 0.08 <= now < begin)),
    "flaky 10 %, fixed": Kind(False, False, lambda now, begin, end: 0.1 if now < begin else 0.0),
}


def project(seed: int, runs_each: int, retry: bool) -> list[Case]:
    """One project's cases: `CONTENTS` contents with `runs_each` runs of each; with `retry` what failed is tried once
    more in the same run, as `retries: 1` does."""
    chance = random.Random(seed)
    cases = [
        (name, kind, chance.uniform(0.3, 0.6), chance.uniform(0.6, 0.97))
        for name, kind in KINDS.items()
        for _ in range(STABLE if name == "stable" else OTHERS)
    ]
    made: list[list[tuple[str, str, float, Status, int]]] = [[] for _ in cases]
    counts: dict[str, tuple[int, int]] = {}
    for number in range(CONTENTS * runs_each):
        content = number // runs_each
        run, now = f"r{number}", content / CONTENTS
        machine = BAD_DAY_RATE if chance.random() < BAD_DAYS else 0.0
        bad = 0
        for index, (_, kind, begin, end) in enumerate(cases):
            rate, once = kind.rate(now, begin, end), False
            for attempt in (1, 2) if retry else (1,):
                failed = chance.random() < machine or chance.random() < rate
                status = Status.FAILED if failed else Status.PASSED
                made[index].append((run, f"sha256:{content}", float(number), status, attempt))
                once = once or failed
                if not failed:
                    break
            bad += once
        counts[run] = (bad, len(cases))
    stormy = storms(counts)
    return [
        Case(name, kind.flaky, kind.broken, [Seen(*one, one[0] in stormy) for one in seen])
        for (name, kind, _, _), seen in zip(cases, made, strict=True)
    ]
