"""The cases of a report as compact JSON, from which the page draws what somebody asks to see."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from domain.cases import Attempt, Status
from domain.excerpt import cut, fair_share
from domain.tally import Tally, Told

MOST_CASES = 60_000
"""Above it, passed cases that are neither flaky nor among the slowest are left out, and that is told."""
MAX_MESSAGE = 4_000
MAX_OUTPUT = 60_000
BAD_BUDGET = 6_000_000
"""Characters of output of the attempts that were bad; those of the others share OTHER_BUDGET."""
OTHER_BUDGET = 1_500_000

STATUSES = tuple(Status)
FLAKY, REUSED, QUARANTINED, REPEATED = 1, 2, 4, 8

Clean = Callable[[str], str]


@dataclass(frozen=True)
class Limits:
    """How many characters an output may have."""

    bad: int
    other: int

    def of(self, attempt: Attempt) -> int:
        return self.bad if attempt.status.bad else self.other


def limits(tally: Tally) -> Limits:
    """Fair shares of the budgets."""
    bad: list[int] = []
    other: list[int] = []
    for told in tally.cases:
        for attempt in told.attempts:
            if attempt.output:
                (bad if attempt.status.bad else other).append(len(attempt.output))
    return Limits(fair_share(bad, BAD_BUDGET, MAX_OUTPUT), fair_share(other, OTHER_BUDGET, MAX_OUTPUT))


def chosen(tally: Tally) -> tuple[Told, ...]:
    """The cases that the page holds: all, or as many as it can carry."""
    if len(tally.cases) <= MOST_CASES:
        return tally.cases
    slow = {id(told) for told in tally.slowest(1000)}
    ordinary = [told.status is Status.PASSED and not told.flaky and id(told) not in slow for told in tally.cases]
    room = MOST_CASES - ordinary.count(False)
    kept = []
    for told, is_ordinary in zip(tally.cases, ordinary, strict=True):
        room -= is_ordinary
        if not is_ordinary or room >= 0:
            kept.append(told)
    return tuple(kept)


class _Numbers:
    """Words that come again and again, each by its number."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def of(self, word: str) -> int:
        return self.known.setdefault(word, len(self.known))


def data(tally: Tally, cases: Sequence[Told], clean: Clean, name: Clean, quarantined: Callable[[Told], bool]) -> str:
    """One line of JSON that is safe inside a `script` element.

    A row is [suite, file, class, name, status, ms, flags, attempts, trouble]: words by their number, ms of all attempts
    together, the trouble of a bad case only. An attempt is [status, ms, worker, began in ms, message, output], with a 1
    behind it when it was a repetition. `clean` takes secrets out of a text, `name` out of a name.
    """
    suites, files, classes, workers = _Numbers(), _Numbers(), _Numbers(), _Numbers()
    room = limits(tally)
    rows: list[list[Any]] = []
    trouble = {id(told): number for number, one in enumerate(tally.troubles) for told in one.cases}

    def told_of(one: Attempt) -> list[Any]:
        began = round((one.started - tally.began) * 1000) if one.started > 0 else -1
        message, output = clean(cut(one.message, MAX_MESSAGE)), clean(cut(one.output, room.of(one)))
        told = [STATUSES.index(one.status), _ms(one.seconds), workers.of(one.worker), began, message, output]
        return [*told, 1] if one.repeat else told

    for told in cases:
        case, last = told.case, told.last
        flags = (FLAKY | REPEATED * (told.how_flaky != "passed on retry")) * told.flaky
        flags |= REUSED * last.reused | QUARANTINED * quarantined(told)
        row: list[Any] = [suites.of(case.suite), files.of(case.file), classes.of(case.classname), name(case.name)]
        row += [STATUSES.index(told.status), _ms(told.seconds), flags, [told_of(one) for one in told.attempts]]
        if id(told) in trouble:
            row.append(trouble[id(told)])
        rows.append(row)
    content = {
        "suites": list(suites.known),
        "files": [name(file) for file in files.known],
        "classes": [name(word) for word in classes.known],
        "workers": list(workers.known),
        "troubles": [name(one.message) for one in tally.troubles],
        "statuses": [status.value for status in STATUSES],
        "rows": rows,
    }
    # `<` and `>` would let a text close the element or open a comment in it.
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e")


def _ms(seconds: float) -> float | int:
    ms = round(seconds * 1000, 1)
    return int(ms) if ms == int(ms) else ms
