"""Some thousands of attempts, as columns: what is done with all of them is done by Python's C code, once a column and
not once a row."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import itemgetter
from typing import Any

from domain.cases import CaseId
from records.tables.columns import cleaned

CASE = ("id", "suite", "file", "classname", "name")
SAID = ("key", "seconds", "started", "number", "reused", "repeat", "status", "worker", "message", "output")
FLAGS = ("reused", "repeat")
_identity = itemgetter(*CASE[1:])


@dataclass(frozen=True)
class Portion:
    """`files` has the beginning of the keys of each file's cases, once; `ids` the key of each attempt's case; `said`
    the columns `SAID` of the attempts. All are as long as `cases` but for `files`."""

    files: Sequence[str]
    cases: Sequence[CaseId]
    ids: Sequence[str]
    said: tuple[Sequence[Any], ...]

    def beside(self, known: Container[str]) -> list[tuple[str, ...]]:
        """Rows of `CASE` of the cases whose keys are not known, each once."""
        if not any(missing := [key not in known for key in self.ids]):
            return []
        new = dict(compress(zip(self.ids, self.cases, strict=True), missing))
        columns = list(zip(*(_identity(vars(case)) for case in new.values()), strict=True))
        return list(zip(new, *map(cleaned, columns), strict=True))

    @property
    def enough(self) -> int:
        """So many cases of the files are worth reading: asking for each by its key costs no more than these."""
        return 4 * len(self.ids) + 100
