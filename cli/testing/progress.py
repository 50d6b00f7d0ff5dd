"""What a run of tests has come to so far, from its journal: the model behind both displays and the memory of times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

BAD = ("failed", "error", "crashed")
# Of a traceback, these are the lines that say what happened.
_TELLING = (">", "E")
_EXCERPT = 14


class Failure(NamedTuple):
    """A bad result, as it is shown at once. `lines` are those of the traceback that say what happened."""

    id: str
    status: str
    message: str
    lines: Sequence[str]
    number: int


class Progress:
    """Fed with events, asked for numbers. `known` are the expected seconds of the cases, of those that have any;
    `doubted` are failures that the engine looks at again before it tells of them."""

    def __init__(self, known: Mapping[str, float], *, whole: bool) -> None:
        self.known, self.whole = known, whole
        self.session: dict[str, Any] = {}
        self.status: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self.running: dict[str, tuple[str, float]] = {}
        self.files: dict[str, int] = {}
        self.bad_once: set[str] = set()
        self.doubted: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.notes: list[str] = []
        self.left = sum(known.values())
        self.ended = False

    def feed(self, events: Sequence[Mapping[str, Any]]) -> list[Failure]:
        """Takes events in; the bad results among them."""
        found = []
        for event in events:
            kind = event.get("e")
            if kind == "start":
                self.running[str(event.get("w", ""))] = (str(event.get("id", "")), float(event.get("t") or 0))
            elif kind == "result" and (failure := self._result(event)):
                found.append(failure)
            elif kind == "doubted":
                self.doubted.add(str(event.get("id", "")))
            elif kind == "file":
                self.files[str(event.get("f", ""))] = int(event.get("n") or 0)
            elif kind == "session":
                # Of a run that was gone on with: what was before is over.
                self.session, self.running, self.ended = dict(event), {}, False
            elif kind in ("note", "problem"):
                self.notes.append(str(event.get("text", "")))
            elif kind == "end":
                self.ended = True
        return found

    def _result(self, event: Mapping[str, Any]) -> Failure | None:
        node, status = str(event.get("id", "")), str(event.get("o", ""))
        worker = str(event.get("w", ""))
        if self.running.get(worker, ("", 0.0))[0] == node:
            del self.running[worker]
        before = self.status.get(node)
        if before is None:
            self.left -= self.known.get(node, 0.0)
        else:
            self.counts[before] -= 1
        self.status[node] = status
        self.doubted.discard(node)
        self.counts[status] += 1
        self.seconds[node] = sum(float(part) for part in event.get("d") or ())
        if status not in BAD:
            return None
        self.bad_once.add(node)
        message, output = str(event.get("msg") or ""), str(event.get("out") or "")
        return Failure(node, status, message, telling(output or message), int(event.get("n") or 1))

    @property
    def done(self) -> int:
        return len(self.status)

    @property
    def total(self) -> int:
        """How many there are: known for sure at the end, and before that as far as files were collected or remembered;
        0 when nothing tells."""
        collected = sum(self.files.values())
        return max(collected, len(self.known) if self.whole and not self.ended else 0, self.done)

    @property
    def flaky(self) -> int:
        """Cases that were bad and are not any more."""
        return sum(self.status[node] not in BAD for node in self.bad_once)

    @property
    def seconds_left(self) -> float | None:
        """Of the work that is remembered, shared by the workers; None when little is remembered."""
        workers = int(self.session.get("workers") or 1)
        if not self.whole or not self.known or len(self.known) < 0.8 * self.total:
            return None
        return max(0.0, self.left) / max(1, workers)

    def slow(self, count: int) -> list[tuple[float, str]]:
        """The slowest cases, the slowest first."""
        return sorted(((s, node) for node, s in self.seconds.items()), reverse=True)[:count]


def told(counts: Mapping[str, int], flaky: int = 0, doubted: int = 0) -> str:
    """`3 failed, 118 passed, 1 of them only on retry, 2 looked at again`: the bad first, nothing that is 0."""
    order = ("crashed", "error", "failed", "passed", "skipped", "xfailed", "xpassed")
    words = [f"{counts[name]} {name}" for name in order if counts.get(name)]
    words += [f"{flaky} of them only on retry"] * bool(flaky) + [f"{doubted} looked at again"] * bool(doubted)
    return ", ".join(words) or "no case"


def telling(output: str) -> list[str]:
    """The lines of a traceback that a person looks for: where, what was executed, what was wrong."""
    lines = output.splitlines()
    # Captured output comes after the traceback, under a heading of its own.
    heading = next((n for n, line in enumerate(lines) if line.startswith("----") and " Captured " in line), None)
    trace = lines[:heading]
    marked = [line for line in trace if line.startswith(_TELLING) and line[1:2] in (" ", "")]
    if not marked:
        return [line for line in trace if line.strip()][-_EXCERPT:]
    places = [line for line in trace if _is_place(line)]
    return [*marked[: _EXCERPT - 1], *places[-1:]]


def _is_place(line: str) -> bool:
    """`tests/test_a.py:3: AssertionError`."""
    file, _, rest = line.partition(":")
    return file.endswith(".py") and rest.partition(":")[0].isdigit()
