"""A run in several parts (shards), each of which recorded in a folder of its own: what of it can be believed.

A part that died, or was never heard of, takes nothing away from what the others recorded. What it was to run is listed,
and runs next time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.impact import Stored
from tasks.impact_told import Told, told


@dataclass(frozen=True)
class Part:
    """`out`: where it recorded; None when nothing came of it. `named`: the files and node ids that it was to run;
    None where that was whatever no other part was told to."""

    out: Path | None
    named: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Heard:
    """All parts together: `told`, the last result of each case, and the parts that did not come to their end."""

    told: Told
    last: Mapping[str, Stored]
    died: tuple[Part, ...] = ()


def heard(parts: Sequence[Part]) -> Heard:
    """What the parts left. No case is in two of them: a plan runs none twice."""
    from tasks.impact_absorb import results

    last: dict[str, Stored] = {}
    died = []
    for part in parts:
        found, ended = (
            results(part.out / "journal", may_be_empty=len(parts) > 1) if part.out is not None else ({}, False)
        )
        last |= found
        if not ended:
            died.append(part)
    return Heard(told(*(part.out / "impact" for part in parts if part.out is not None)), last, tuple(died))


def named(died: Iterable[Part]) -> list[str]:
    """The files that they were to run whole. Of other cases it is known one by one that they did not run."""
    return [name for part in died for name in part.named or () if "::" not in name]


def unfinished(parts: Sequence[Part], died: Sequence[Part]) -> list[str] | None:
    """Of a run of everything, the files that run again because a part of it died; None where that is everything: of
    the part that takes whatever no other was told to, only its runner could say what that would have been."""
    if len(died) == len(parts) or any(part.named is None for part in died):
        return None
    return sorted({name.partition("::")[0] for part in died for name in part.named or ()})
