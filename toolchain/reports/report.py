"""What a reader of a test report returns, whatever its format, and how it stays small over a huge one."""

from __future__ import annotations

from collections import Counter

from pydantic import Field

from domain.cases import Attempt, CaseId, Status
from domain.verdict import Value

MAX_TEXT = 16_000
"""Characters of one case's output: its beginning and its end."""
MAX_NAME = 2_000
MAX_LISTED = 60_000
"""Cases that are listed one by one. Beyond them a good one is only counted; half as many more bad ones are listed."""
MAX_TEXTS = 24 << 20
"""Characters of output in the whole report. Beyond them a good case has none, a bad one its first words."""
_FIRST_WORDS = 400


class Summary(Value):
    """What a report says of itself, once it was read.

    `declared` is the number of tests it claims to hold, None when it does not say; `fewest` and `most` are the numbers
    that it may claim, given the cases. `claims_bad` is the largest number of failures that one of its suites claims.
    `problems` are reasons not to believe it; `notes` are facts that decide nothing.
    """

    declared: int | None = None
    fewest: int = 0
    most: int = 0
    claims_bad: int = 0
    bad: int = 0
    complete: bool = True
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def doubts(self) -> tuple[str, ...]:
        """Every reason not to believe it, its own numbers among them."""
        found = list(self.problems)
        if not self.complete and not found:
            found.append("the report is cut off")
        if self.complete and self.declared is not None and not self.fewest <= self.declared <= self.most:
            found.append(f"the report claims {self.declared} cases and holds {self.fewest}")
        if self.complete and self.claims_bad and not self.bad:
            found.append(f"the report claims {self.claims_bad} failure(s) and shows none")
        return tuple(found)


class Report(Summary):
    """A report that was read whole. `unlisted` counts the cases beyond MAX_LISTED by their status."""

    attempts: tuple[Attempt, ...] = ()
    unlisted: dict[Status, int] = Field(default_factory=dict)


class Text:
    """The beginning and the end of a text that may be endless."""

    __slots__ = ("head", "limit", "size", "tail")

    def __init__(self, limit: int = MAX_TEXT) -> None:
        self.limit, self.head, self.tail, self.size = limit, "", "", 0

    def add(self, more: str) -> None:
        self.size += len(more)
        room = self.limit // 2 - len(self.head)
        if room > 0:
            self.head += more[:room]
            more = more[room:]
        if more:
            self.tail = (self.tail + more)[-self.limit // 2 :]

    def __str__(self) -> str:
        cut = self.size - len(self.head) - len(self.tail)
        return f"{self.head}\n[... {cut} characters left out ...]\n{self.tail}" if cut else self.head + self.tail


class Names:
    """Tells cases of one name apart, in 8 bytes for each name: a report of 1 GB may hold millions.

    Hashes of 64 bits in buckets of bytes; among ten million names two share a hash with a chance of 1 in 300,000.
    """

    def __init__(self) -> None:
        self._buckets: dict[int, bytearray] = {}
        self._again: Counter[int] = Counter()

    def count(self, case: CaseId) -> int:
        """How often this name was seen, this time included."""
        key = hash((case.file, case.classname, case.name))
        packed = key.to_bytes(8, "little", signed=True)
        bucket = self._buckets.setdefault(key & 0xFFFF, bytearray())
        if packed in bucket:
            self._again[key] += 1
            return self._again[key] + 1
        bucket += packed
        return 1

    def apart(self, case: CaseId) -> CaseId:
        """The case itself, or with ` (#2)` and so on when its name was there before."""
        count = self.count(case)
        return case.model_copy(update={"name": f"{case.name} (#{count})"}) if count > 1 else case


class Kept:
    """Attempts in bounded memory: everything that decides is kept, what only fills it is counted.

    Under 1 kB an attempt: 90,000 attempts and their texts at the most, whatever the report's size.
    """

    def __init__(self, listed: int = MAX_LISTED, texts: int = MAX_TEXTS) -> None:
        self.attempts: list[Attempt] = []
        self.unlisted: Counter[Status] = Counter()
        self.listed, self.texts = listed, texts

    def add(self, attempt: Attempt) -> None:
        bad = attempt.status.bad
        # A later attempt belongs to a bad one that is listed: without it that one would be the last.
        if len(self.attempts) >= (self.listed * 3 // 2 if bad else self.listed) and attempt.number == 1:
            self.unlisted[attempt.status] += 1
            return
        size = len(attempt.output) + len(attempt.message)
        if size > self.texts:
            words = _FIRST_WORDS if bad else 0
            cut = {"output": attempt.output[:words], "message": attempt.message[:_FIRST_WORDS]}
            attempt = attempt.model_copy(update=cut)
        else:
            self.texts -= size
        self.attempts.append(attempt)

    def report(self, summary: Summary) -> Report:
        """All of it as a value."""
        notes = summary.notes
        if self.unlisted:
            notes += (f"{sum(self.unlisted.values())} cases beyond the first {self.listed} are counted, not listed",)
        told = {name: getattr(summary, name) for name in Summary.model_fields}
        return Report(**told | {"notes": notes}, attempts=tuple(self.attempts), unlisted=dict(self.unlisted))
