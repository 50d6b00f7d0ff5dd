"""Counts the answers of a proof as they come, in bounded memory: at most `MOST` rows, whatever it lasts.

When more would be needed, two neighbours become one row, and so on: counts are added, so the totals lose nothing.
Latencies are counted in buckets that each are 2 % wider than the one before, as HdrHistogram does
(https://hdrhistogram.github.io/HdrHistogram/), so that the quantiles of a wider row are those of all its requests; one
is at most 2 % above the latency it stands for.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from domain.proof import UNTOLD, Mark, Proof, Row

MOST = 600
VERSIONS = 12
"""More names than these are counted as one: a service could send another with every answer."""
OTHERS = "others"
LONGEST = 120
"""Characters of a version that are kept: a release's has at most 107 (domain/release.py)."""
_GROWTH = math.log(1.02)
_SMALLEST = 1e-5
_RECENT = 5_000


class Answer(NamedTuple):
    """What became of one request. `due` is when it had to leave, in seconds since the epoch, and `seconds` how long
    after that it was answered or given up. `wrong` says why it failed; it is empty when it did not. `version` is what
    the answer said of itself. `unsent`: it never left, since too many were under way."""

    due: float
    seconds: float = 0.0
    version: str = UNTOLD
    wrong: str = ""
    unsent: bool = False


@dataclass
class _Cell:
    requests: int = 0
    failed: int = 0
    unsent: int = 0
    versions: Counter[str] = field(default_factory=Counter)
    latencies: Counter[int] = field(default_factory=Counter)

    def add(self, other: _Cell) -> None:
        self.requests += other.requests
        self.failed += other.failed
        self.unsent += other.unsent
        self.versions.update(other.versions)
        self.latencies.update(other.latencies)


class Counting:
    """The proof of a rollout of `version`, as far as it has come. `began` is in seconds since the epoch."""

    def __init__(self, version: str, began: float, *, most: int = MOST) -> None:
        self.version, self.began, self.most = version[:LONGEST], began, most
        self._width = 1.0
        self._cells: dict[int, _Cell] = {}
        self._failures: Counter[str] = Counter()
        self._names: set[str] = {self.version, UNTOLD}
        self._slowest = 0.0
        self._first: tuple[float, str] | None = None
        self._aborted: float | None = None
        self._strayed = 0
        # An abort is known a moment after it was done.
        self._recent: deque[float] = deque(maxlen=_RECENT)

    def add(self, answer: Answer) -> None:
        """One more."""
        at = max(0.0, answer.due - self.began)
        while int(at / self._width) >= self.most:
            self._widen()
        cell = self._cells.setdefault(int(at / self._width), _Cell())
        if answer.unsent:
            cell.unsent += 1
            return
        version = self._name(answer.version)
        cell.requests += 1
        cell.versions[version] += 1
        cell.latencies[_bucket(answer.seconds)] += 1
        self._slowest = max(self._slowest, answer.seconds)
        if answer.wrong:
            cell.failed += 1
            self._failures[version] += 1
            self._first = min(self._first or (at, answer.wrong), (at, answer.wrong))
        if version == self.version:
            self._recent.append(answer.due)
            self._strayed += self._aborted is not None and answer.due >= self._aborted

    def aborted(self, moment: float) -> None:
        """The release had been taken back at that moment, in seconds since the epoch. The first word counts."""
        if self._aborted is None:
            self._aborted = moment
            self._strayed = sum(due >= moment for due in self._recent)

    @property
    def is_aborted(self) -> bool:
        return self._aborted is not None

    def _name(self, version: str) -> str:
        version = version[:LONGEST]
        if version not in self._names and len(self._names) >= VERSIONS:
            return OTHERS
        self._names.add(version)
        return version

    def _widen(self) -> None:
        cells, self._cells, self._width = self._cells, {}, self._width * 2
        for index, cell in cells.items():
            self._cells.setdefault(index // 2, _Cell()).add(cell)

    def told(
        self,
        seconds: float,
        *,
        stable: str | None = None,
        address: str = "",
        rate: float = 0.0,
        header: str = "",
        marks: Sequence[tuple[float, str]] = (),
        problems: Iterable[str] = (),
    ) -> Proof:
        """The proof after so many seconds. `marks` are steps that were done, with their moments since the epoch."""
        whole = _Cell()
        for cell in self._cells.values():
            whole.add(cell)
        middle, high, highest = _quantiles(whole.latencies)
        known = any(name != UNTOLD for name in whole.versions)
        taken_back = self._aborted is not None
        return Proof(
            version=self.version,
            stable=stable,
            address=address,
            rate=rate,
            header=header,
            began=self.began,
            seconds=max(0.0, seconds),
            width=self._width,
            rows=tuple(self._rows()),
            marks=tuple(Mark(at=max(0.0, at - self.began), text=text) for at, text in marks),
            requests=whole.requests,
            failed=whole.failed,
            unsent=whole.unsent,
            p50=middle,
            p95=high,
            p99=highest,
            max=self._slowest,
            versions=dict(sorted(whole.versions.items())),
            failures=dict(sorted(self._failures.items())),
            first_failure=self._first[1] if self._first else "",
            first_failure_at=self._first[0] if self._first else None,
            aborted=max(0.0, self._aborted - self.began) if self._aborted is not None else None,
            strayed=self._strayed if taken_back and known else None,
            problems=tuple(problems),
        )

    def _rows(self) -> Iterator[Row]:
        for index, cell in sorted(self._cells.items()):
            p50, p95, p99 = _quantiles(cell.latencies)
            yield Row(
                at=index * self._width,
                requests=cell.requests,
                failed=cell.failed,
                unsent=cell.unsent,
                p50=p50,
                p95=p95,
                p99=p99,
                versions=dict(sorted(cell.versions.items())),
            )


def _bucket(seconds: float) -> int:
    return math.ceil(math.log(max(seconds, _SMALLEST) / _SMALLEST) / _GROWTH)


def _quantiles(latencies: Counter[int]) -> tuple[float, float, float]:
    """Median, 95th and 99th percentile in seconds, by nearest rank: the upper end of the bucket that holds it."""
    count = sum(latencies.values())
    ranks = [math.ceil(share * count) for share in (0.5, 0.95, 0.99)]
    found: list[float] = []
    passed = 0
    for bucket, number in sorted(latencies.items()):
        passed += number
        while len(found) < len(ranks) and passed >= ranks[len(found)]:
            found.append(_SMALLEST * math.exp(bucket * _GROWTH))
    return (found[0], found[1], found[2]) if count else (0.0, 0.0, 0.0)
