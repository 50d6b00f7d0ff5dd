"""When each worker did what: lanes of bars, light enough to draw however many cases ran."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from domain.cases import Attempt, Status
from domain.tally import Tally, worst

RESOLUTION = 600
"""Cells across. A lane has at most about twice as many bars; what is shorter than a cell is drawn with a neighbour."""

MOST_ROWS = 16
"""Lanes of one worker's name. More of them means that its times are no times: it is drawn, not believed."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One case, or several tiny ones side by side. Times in seconds after the timeline's beginning; `name` is that of
    the longest; `status` the worst; `busy` the time that the cases themselves took."""

    begin: float
    end: float
    status: Status
    name: str
    cases: int
    busy: float


@dataclass(frozen=True, slots=True)
class Lane:
    """One worker. `busy` is the share of the time, 0..1, in which a case was running; the rest it was idle, or set
    something up that belongs to no case."""

    name: str
    bars: tuple[Bar, ...]
    busy: float
    cases: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """`began` is in seconds since the epoch, `seconds` the length."""

    began: float
    seconds: float
    lanes: tuple[Lane, ...]

    @property
    def busy(self) -> float:
        """0..1, over all lanes."""
        return sum(lane.busy for lane in self.lanes) / len(self.lanes) if self.lanes else 0.0


def timeline(tally: Tally, *, resolution: int = RESOLUTION) -> Timeline | None:
    """The timeline of all attempts that say when they started; None when none does, or no time passed."""
    placed = [one for told in tally.cases for one in told.attempts if one.started > 0 and not one.reused]
    if not placed:
        return None
    began = min(one.started for one in placed)
    seconds = max(one.started + one.seconds for one in placed) - began
    if seconds <= 0:
        return None
    several = len(tally.suites) > 1
    workers: dict[str, list[Attempt]] = {}
    for one in sorted(placed, key=lambda one: (one.started, str(one.case))):
        name = one.worker or "worker"
        workers.setdefault(f"{one.case.suite} {name}" if several else name, []).append(one)
    lanes = []
    for name in sorted(workers, key=_natural):
        rows = _rows(workers[name])
        for number, row in enumerate(rows, 1):
            bars = tuple(_merged((_bar(one, began) for one in row), seconds / resolution))
            busy = min(1.0, sum(one.seconds for one in row) / seconds)
            lanes.append(Lane(f"{name} ({number})" if len(rows) > 1 else name, bars, busy, len(row)))
    return Timeline(began, seconds, tuple(lanes))


def _natural(name: str) -> tuple[str, int, str]:
    digits = name[len(name.rstrip("0123456789")) :]
    return (name.removesuffix(digits), int(digits or -1), name)


def _bar(attempt: Attempt, began: float) -> Bar:
    begin = attempt.started - began
    return Bar(begin, begin + attempt.seconds, attempt.status, str(attempt.case), 1, attempt.seconds)


def _rows(attempts: Iterable[Attempt]) -> list[list[Attempt]]:
    """Two shards may call their workers alike: what overlaps goes into a row of its own."""
    rows: list[list[Attempt]] = []
    ends: list[float] = []
    for one in attempts:
        # Clocks are read by different processes, and a time is rounded: a hair's breadth is no overlap.
        slack = 0.002 + one.seconds * 0.05
        at = next((n for n, end in enumerate(ends) if one.started >= end - slack), None)
        if at is None and len(rows) == MOST_ROWS:
            at = ends.index(min(ends))
        if at is None:
            rows.append([one])
            ends.append(one.started + one.seconds)
        else:
            rows[at].append(one)
            ends[at] = max(ends[at], one.started + one.seconds)
    return rows


def _merged(bars: Iterable[Bar], cell: float) -> Iterable[Bar]:
    """Tiny neighbours as one, until they are wide enough to be seen."""
    waiting: Bar | None = None
    longest = 0.0
    for bar in bars:
        if waiting is None:
            waiting, longest = bar, bar.busy
        elif bar.begin - waiting.end < cell and waiting.end - waiting.begin < cell and bar.end - bar.begin < cell:
            name = bar.name if bar.busy > longest else waiting.name
            longest = max(longest, bar.busy)
            status = worst((waiting.status, bar.status))
            end = max(waiting.end, bar.end)
            waiting = Bar(waiting.begin, end, status, name, waiting.cases + 1, waiting.busy + bar.busy)
        else:
            yield waiting
            waiting, longest = bar, bar.busy
    if waiting is not None:
        yield waiting
