"""The shards of what a change can affect: what is left to run is divided anew, and not the suite's own shards thinned
out, of which one could have it all."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from domain.cases import CaseId
from domain.plan import Plan, Shard
from domain.sharding import expected, split

# A shard that is expected to take less costs more than it saves: its copy of the project, its interpreter's start.
LEAST_S = 5.0


def plan_chosen(
    suite: str, shards: int, words: Sequence[str], durations: Mapping[CaseId, float], *, divides: bool
) -> Plan:
    """At most `shards` shards of files and node ids, each with at least some seconds of work; none where nothing is to
    run. Cases of one file stay together; with `divides` a file that dominates is divided into its functions and
    classes. `durations`: expected seconds of the cases, from history."""
    if not words:
        return Plan(suite=suite, basis="changed", shards=())
    files: dict[str, list[float]] = defaultdict(list)
    for case, seconds in durations.items():
        files[case.file].append(seconds)
    by_id = {str(case): seconds for case, seconds in durations.items()}
    known = [math.fsum(files[word]) if word in files else by_id.get(word) for word in words]
    load = dict(zip(words, expected(known), strict=True))
    total = math.fsum(load.values())
    count = min(shards, max(1, math.ceil(total / LEAST_S)))
    units: dict[str, list[str]] = defaultdict(list)
    for word in words:
        units[word.partition("::")[0]].append(word)
    for file, inside in list(units.items()):
        if divides and count > 1 and math.fsum(load[word] for word in inside) > total / count:
            del units[file]
            for word in inside:
                units[_top(word)].append(word)
    filled = split([(name, math.fsum(load[word] for word in units[name])) for name in units], min(count, len(units)))
    parts = [[word for name in names for word in units[name]] for names in filled]
    return Plan(
        suite=suite,
        basis="changed",
        shards=tuple(
            Shard(
                number=number,
                selection=tuple(part),
                seconds=math.fsum(load[word] for word in part),
                cases=sum(len(files[word]) if word in files else 1 for word in part),
            )
            for number, part in enumerate(parts, 1)
        ),
    )


def _top(word: str) -> str:
    """The file with the function or class at its top level; the file alone for a whole one."""
    file, _, inside = word.partition("::")
    return f"{file}::{inside.partition('::')[0].partition('[')[0]}" if inside else file
