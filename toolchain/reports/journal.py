"""Reads the test engine's journal: every attempt, and whether all that were collected have a result.

One file for each of the engine's processes, one JSON object a line (`tes_engine/journal.py`). A line that was cut off
counts as not written. The same attempt told twice, by two workers of which one was thought dead, counts once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from domain.cases import Attempt, CaseId, Status
from domain.verdict import Value
from tes_engine.journal import Tail

__all__ = ["Journal", "Tail", "case_of", "read"]

# One for all: a set of its own for each of hundreds of thousands of values would be half of their memory.
_NONE_SET: set[str] = set()
_STATUS = {status.value: status for status in Status}


class Journal(Value):
    """What was read. `end` is the engine's last word, None when it had none; `running` are the cases in flight then."""

    attempts: tuple[Attempt, ...] = ()
    session: dict[str, Any] = Field(default_factory=dict)
    end: dict[str, Any] | None = None
    running: tuple[str, ...] = ()
    files: dict[str, float] = Field(default_factory=dict, description="file to the seconds that collecting it took")
    collected: int = 0
    deselected: int = 0
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def read(folder: Path, suite: str) -> Journal:
    """The journal in a folder; an empty one when there is none. Never raises for what it holds: that is a problem."""
    reader = _Reader(suite)
    # The parent's files first, in the order of their runs (main, main-2, ...): crashes and ends are told there.
    for path in sorted(
        folder.glob("*.jsonl"), key=lambda path: (not path.name.startswith("main"), len(path.name), path.name)
    ):
        for event in _events(path, reader.problems):
            reader.take(event, path.name)
    return reader.journal()


def case_of(node: str, suite: str) -> CaseId:
    """A node id as a case: `file::class::name[parameters]`."""
    plain, bracket, parameters = node.partition("[")
    file, *middle = plain.split("::")
    name = (middle.pop() if middle else "") + bracket + parameters
    return CaseId(suite=suite, file=file, classname="::".join(middle), name=name or file)


def _events(path: Path, problems: list[str]) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            try:
                event = json.loads(line)
                if isinstance(event, dict) and "e" in event:
                    yield event
                    continue
            except ValueError:
                pass
            text = f"the journal {path.name} is damaged: a line is not JSON"
            if text not in problems:
                problems.append(text)


class _Reader:
    def __init__(self, suite: str) -> None:
        self.suite = suite
        self.attempts: dict[tuple[str, int], Attempt] = {}
        self.batches: dict[int, int] = {}
        self.whole: dict[int, int] = {}
        self.started: dict[str, str] = {}
        self.session: dict[str, Any] = {}
        self.end: dict[str, Any] | None = None
        self.files: dict[str, float] = {}
        self.tellers: dict[int, str] = {}
        self.deselected = 0
        self.notes: list[str] = []
        self.problems: list[str] = []

    def take(self, event: dict[str, Any], source: str) -> None:
        try:
            self._take(event, source)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            self.problems.append(f"the journal {source} is damaged: {type(error).__name__}: {error}")

    def _take(self, event: dict[str, Any], source: str) -> None:
        kind = event["e"]
        if kind == "result":
            self.started.pop(source, None)
            attempt = self._attempt(event)
            # Told twice and not alike: a failure is not undone by another's success.
            if not self.attempts.setdefault((event["id"], event["n"]), attempt).status.bad and attempt.status.bad:
                self.attempts[event["id"], event["n"]] = attempt
        elif kind == "start":
            self.started[source] = event["id"]
        elif kind == "file":
            if event.get("whole"):  # collected beside all others, where by itself it could not be
                self.whole[event["b"]] = event["n"]
            # One worker may have failed to collect what another could.
            self.batches[event["b"]] = self.batches.get(event["b"]) or event["n"]
            self.files[event["f"]] = event["s"]
        elif kind == "deselected":
            # A file that a helper collected again is deselected from again.
            if self.tellers.setdefault(event["b"], source) == source:
                self.deselected += event["k"]
        elif kind in ("note", "problem"):
            told = self.notes if kind == "note" else self.problems
            if event["text"] not in told:
                told.append(event["text"])
        elif kind == "session":
            self.session, self.end = event, None
        elif kind == "end":
            self.end = event

    def _attempt(self, event: dict[str, Any]) -> Attempt:
        # Not validated field by field: the engine is ours, and there may be hundreds of thousands.
        intern = sys.intern
        case = CaseId.model_construct(
            _NONE_SET,
            suite=self.suite,
            file=intern(event["f"]),
            classname=intern(event["c"]),
            name=event["name"],
        )
        return Attempt.model_construct(
            _NONE_SET,
            case=case,
            status=_STATUS[event["o"]],
            seconds=float(sum(event["d"])),
            message=event.get("msg", ""),
            output=event.get("out", ""),
            number=event["n"],
            started=float(event["t"]),
            worker=intern(event["w"]),
            reused=False,
        )

    def journal(self) -> Journal:
        crashed = {case for case, _ in self.attempts}
        return Journal.model_construct(
            attempts=tuple(sorted(self.attempts.values(), key=lambda a: a.started)),
            session=self.session,
            end=self.end,
            running=tuple(case for case in self.started.values() if case not in crashed),
            files=self.files,
            collected=sum({**self.batches, **self.whole}.values()),
            deselected=self.deselected,
            notes=tuple(self.notes),
            problems=tuple(self.problems),
        )
