"""What a test run came to, in numbers: the base of every report of it, whichever its form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

from domain.cases import Attempt, CaseId, Status, SuiteReport
from domain.clusters import normalised
from domain.excerpt import first_line

T = TypeVar("T")
_NAME = attrgetter("case.file", "case.classname", "case.name")

# The worst first: how bad cases are listed, and which one gives a group its colour.
WORST = (
    Status.CRASHED,
    Status.ERROR,
    Status.FAILED,
    Status.XPASSED,
    Status.XFAILED,
    Status.SKIPPED,
    Status.PASSED,
)
_RANK = {status: rank for rank, status in enumerate(WORST)}


@dataclass(frozen=True, slots=True)
class Told:
    """One case with all its attempts. The last one decides: repetitions, which decide nothing, stand before it."""

    attempts: tuple[Attempt, ...]

    @property
    def last(self) -> Attempt:
        return self.attempts[-1]

    @property
    def case(self) -> CaseId:
        return self.attempts[-1].case

    @property
    def status(self) -> Status:
        return self.attempts[-1].status

    @property
    def flaky(self) -> bool:
        """Whether it was bad and is not in the end."""
        return len(self.attempts) > 1 and not self.status.bad and any(one.status.bad for one in self.attempts)

    @property
    def how_flaky(self) -> str:
        """In words, of a flaky one."""
        retried = any(one.status.bad and not one.repeat for one in self.attempts)
        return "passed on retry" if retried else "failed when repeated"

    @property
    def seconds(self) -> float:
        """The time of all attempts together."""
        return sum(attempt.seconds for attempt in self.attempts)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Bad cases that say the same. `message` is the first line of the first of them; it may be empty."""

    message: str
    cases: tuple[Told, ...]


@dataclass(slots=True)
class FileTotal:
    """The cases of one file. `seconds` is the time of their attempts, on whatever worker."""

    suite: str
    file: str
    cases: int = 0
    bad: int = 0
    flaky: int = 0
    skipped: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Tally:
    """All suites of a run. `cases` are sorted by suite, file, class and name; `problems` and `notes` name their suite
    where there are several."""

    suites: tuple[str, ...]
    cases: tuple[Told, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float
    workers: int
    deselected: int
    counts: Counter[Status] = field(default_factory=Counter)

    @cached_property
    def bad(self) -> tuple[Told, ...]:
        """Crashes first, then errors, then failures; in each by file."""
        return tuple(sorted((told for told in self.cases if told.status.bad), key=lambda told: _RANK[told.status]))

    @cached_property
    def flaky(self) -> tuple[Told, ...]:
        return tuple(told for told in self.cases if told.flaky)

    @cached_property
    def troubles(self) -> tuple[Trouble, ...]:
        """The bad cases by what they say, without what differs from case to case; the commonest first."""
        groups: dict[str, list[Told]] = {}
        for told in self.bad:
            groups.setdefault(normalised(first_line(told.last.message)), []).append(told)
        ordered = sorted(groups.values(), key=lambda group: -len(group))
        return tuple(Trouble(first_line(group[0].last.message), tuple(group)) for group in ordered)

    @cached_property
    def reused(self) -> int:
        return sum(told.last.reused for told in self.cases)

    @cached_property
    def began(self) -> float:
        """Seconds since the epoch; 0 when no framework said when a case was started."""
        return min((a.started for told in self.cases for a in told.attempts if a.started > 0), default=0.0)

    def slowest(self, count: int) -> tuple[Told, ...]:
        """The cases that took longest, retries included; what was reused took no time."""
        ran = [told for told in self.cases if not told.last.reused and told.seconds > 0]
        return tuple(sorted(ran, key=lambda told: -told.seconds)[:count])

    @cached_property
    def files(self) -> tuple[FileTotal, ...]:
        """Those with bad cases first, then the slowest."""
        totals: dict[tuple[str, str], FileTotal] = {}
        for told in self.cases:
            key = (told.case.suite, told.case.file)
            total = totals.get(key) or totals.setdefault(key, FileTotal(*key))
            total.cases += 1
            total.bad += told.status.bad
            total.flaky += told.flaky
            total.skipped += told.status is Status.SKIPPED
            total.seconds += 0.0 if told.last.reused else told.seconds
        return tuple(sorted(totals.values(), key=lambda one: (-one.bad, -one.flaky, -one.seconds, one.file)))


def tally(reports: Sequence[SuiteReport]) -> Tally:
    """The numbers of these reports; several of one suite are its shards, which ran side by side."""
    suites = tuple(unique(report.suite for report in reports))
    cases = tuple(
        Told(tuple(attempts))
        for suite in suites
        for attempts in by_case(a for report in reports if report.suite == suite for a in report.attempts)
    )
    prefix = {suite: f"{suite}: " if len(suites) > 1 else "" for suite in suites}
    problems = unique(prefix[one.suite] + problem for one in reports for problem in problems_of(one))
    return Tally(
        suites=suites,
        cases=cases,
        problems=tuple(problems),
        notes=tuple(unique(prefix[one.suite] + note for one in reports for note in one.notes)),
        seconds=max((report.seconds for report in reports), default=0.0),
        workers=sum(report.workers for report in reports),
        deselected=sum(report.deselected for report in reports),
        counts=Counter(told.status for told in cases),
    )


def problems_of(report: SuiteReport) -> tuple[str, ...]:
    """Why not to believe it; a report that is not complete always has a reason."""
    return report.problems or (() if report.complete else ("the report is cut off",))


def _order(attempt: Attempt) -> tuple[bool, int, float]:
    # A repetition decides nothing, and the last one decides.
    return (not attempt.repeat, attempt.number, attempt.started)


def by_case(attempts: Iterable[Attempt]) -> Iterator[list[Attempt]]:
    """The attempts of each case of one suite, in order, the cases sorted. What two shards both sent is there once."""

    for _, group in groupby(sorted(attempts, key=_NAME), _NAME):
        first, *more = group
        yield unique(sorted([first, *more], key=_order)) if more else [first]


def worst(statuses: Iterable[Status]) -> Status:
    """The worst of several; of none, PASSED."""
    return min(statuses, key=_RANK.__getitem__, default=Status.PASSED)


def unique(given: Iterable[T]) -> list[T]:
    """Each once, where it stood first. For a handful: every one is compared with all before it."""
    found: list[T] = []
    for one in given:
        if one not in found:
            found.append(one)
    return found
