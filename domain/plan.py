"""Which shard of a suite runs what. A plan loses no case and runs none twice, whatever the plan did not know of.

Every shard but the first is told exactly what to run. The first runs whatever the suite itself would run, except what
it is told to `leave` to others: what history does not know is run there, found by the runner and not guessed here.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from domain.cases import CaseId
from domain.sharding import split
from domain.verdict import Value

# A file that takes more than this share of a shard's ideal time is divided into its functions and classes.
DOMINATES = 1.0
# Bytes of test code that take a second, where nothing else is known. Only the proportions matter.
BYTES_PER_SECOND = 10_000.0
# The unit of what cannot be named: no file and no node id.
_REST = ""


class Shard(Value):
    """One part. `selection` are files and node ids to run, empty for the suite's own paths; `leave` are those among
    them that others run. `seconds` is what it is expected to take, `cases` how many are expected, where history knows.
    """

    number: int
    selection: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()
    seconds: float = 0.0
    cases: int = 0


class Plan(Value):
    """The parts of one suite at one content. `basis` says what it rests on: `history`, `sizes`, or `whole`."""

    suite: str
    basis: str
    shards: tuple[Shard, ...]

    @property
    def digest(self) -> str:
        """Names the plan: a result of another plan's shard is no result of this one's."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class _Unit(NamedTuple):
    """What stays together: a file, or a function or class at its top level."""

    name: str
    seconds: float
    cases: int


Names = Callable[[str], Sequence[str] | None]
_History = dict[str, list[tuple[CaseId, float]]]


def whole(suite: str, seconds: float = 0.0, cases: int = 0) -> Plan:
    """One shard that runs all."""
    return Plan(suite=suite, basis="whole", shards=(Shard(number=1, seconds=seconds, cases=cases),))


def plan(
    suite: str,
    shards: int,
    files: Mapping[str, int],
    durations: Mapping[CaseId, float],
    names: Names = lambda file: None,
) -> Plan:
    """Splits a suite over at most `shards` parts that should end together; fewer when there is less to divide.

    `files`: the test files that are there, with their bytes. `durations`: expected seconds of the cases, from history;
    cases of files that are gone are forgotten. `names` says which top-level functions and classes a file has, for one
    that dominates; None where it must stay whole. Equal input gives an equal plan.
    """
    history: _History = {}
    for case, seconds in durations.items():
        if case.file in files:
            history.setdefault(case.file, []).append((case, seconds))
    units = _files(files, history)
    total, cases = math.fsum(unit.seconds for unit in units), sum(unit.cases for unit in units)
    if shards > 1 and history:
        units = _divided(units, total / shards, history, names)
    count = min(shards, len(units))
    if count < 2:
        return whole(suite, total if history else 0.0, cases)
    by_name = {unit.name: unit for unit in units}
    filled = split([(unit.name, unit.seconds) for unit in units], count)
    loads = [math.fsum(by_name[name].seconds for name in part) for part in filled]
    # The one with least to do also takes what nobody knew of; what cannot be named decides where there is any.
    rest = min(range(count), key=lambda number: (_REST not in filled[number], loads[number], number))
    order = [rest, *(number for number in range(count) if number != rest)]
    return Plan(
        suite=suite,
        basis="history" if history else "sizes",
        shards=tuple(
            Shard(
                number=place,
                selection=() if place == 1 else filled[number],
                leave=tuple(sorted(name for other in order[1:] for name in filled[other])) if place == 1 else (),
                seconds=loads[number] if history else 0.0,
                cases=sum(by_name[name].cases for name in filled[number]),
            )
            for place, number in enumerate(order, 1)
        ),
    )


def _files(files: Mapping[str, int], history: _History) -> list[_Unit]:
    """The files that hold cases, as far as history knows; without history all of them, weighed by their size.

    A file that history does not know is left to the first shard: the runner finds out whether it holds a case."""
    if not history:
        return [_Unit(file, max(1, size) / BYTES_PER_SECOND, 0) for file, size in sorted(files.items())]
    return [
        _Unit(file, math.fsum(seconds for _, seconds in cases), len(cases)) for file, cases in sorted(history.items())
    ]


def _divided(units: Sequence[_Unit], ideal: float, history: _History, names: Names) -> list[_Unit]:
    """The units, with the parts in place of a file that dominates; what of it cannot be named is one unit more."""
    found: list[_Unit] = []
    left, cases = 0.0, 0
    for unit in units:
        parts = _parts(unit, history, names) if unit.seconds > DOMINATES * ideal else [unit]
        found += parts
        if parts != [unit]:
            left += unit.seconds - math.fsum(part.seconds for part in parts)
            cases += unit.cases - sum(part.cases for part in parts)
    return [*found, _Unit(_REST, max(0.0, left), cases)] if cases else found


def _parts(unit: _Unit, history: _History, names: Names) -> list[_Unit]:
    """The functions and classes of a file that are there and that history knows; the file itself when these are few."""
    there = names(unit.name)
    if there is None:
        return [unit]
    times: dict[str, list[float]] = {}
    for case, seconds in history[unit.name]:
        times.setdefault(_top(case), []).append(seconds)
    sure = sorted(set(there) & times.keys())
    parts = [_Unit(f"{unit.name}::{name}", math.fsum(times[name]), len(times[name])) for name in sure]
    return parts if len(parts) > 1 else [unit]


def _top(case: CaseId) -> str:
    """The top-level function or class of a case: divided no further, so that no fixture of a class is set up twice."""
    return case.classname.partition("::")[0] or case.name.partition("[")[0]
