"""What the recorders told (OUT/impact): what each case did, and whether that can be believed to be all.

Every process tells in a file of its own, which ends with a line that says so. Of a process that died the cases that
ended are known, but not what tearing their wider fixtures down would have executed. Of a file with a line that cannot
be read nothing is known to be whole.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Code = tuple[str, int, str]
"""(path, first line, name)"""
DAMAGED = "what was recorded of it is damaged"
DIED = "the process that recorded it did not come to its end"


@dataclass
class Recorded:
    """What one case did, over all its attempts and workers. `anything`, `apart` and `doubt` as in `Stored`, `Memory`"""

    codes: set[Code] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    anything: bool = False
    apart: bool = False
    doubt: str = ""
    scopes: set[int] = field(default_factory=set)

    def add(self, other: Recorded) -> None:
        self.codes |= other.codes
        self.paths |= other.paths
        self.anything = self.anything or other.anything
        self.apart = self.apart or other.apart
        self.doubt = self.doubt or other.doubt


@dataclass
class Told:
    """All that the workers told. `files`: what collecting a test file did that concerns its own cases only."""

    cases: dict[str, Recorded] = field(default_factory=dict)
    calls: set[tuple[Code, Code]] = field(default_factory=set)
    opened: set[tuple[Code, str]] = field(default_factory=set)
    everyone: Recorded = field(default_factory=Recorded)
    files: dict[str, Recorded] = field(default_factory=lambda: defaultdict(Recorded))
    modules: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def told(*folders: Path) -> Told:
    """Everything in folders of `*.jsonl`. A worker's numbers are its own: each file has a table of its codes."""
    found = Told()
    for folder in folders:
        for file in sorted(folder.glob("*.jsonl")):
            _File(file, found).read()
    return found


class _File:
    def __init__(self, file: Path, found: Told) -> None:
        self.file, self.found = file, found
        self.codes: dict[int, Code] = {}
        self.scopes: dict[int, Recorded] = {}
        self.cases: dict[str, Recorded] = {}
        self.damaged = self.ended = False

    def read(self) -> None:
        for line in self.file.read_bytes().split(b"\n")[:-1]:
            try:
                self.event(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                self.damaged = True
        for name, case in self.cases.items():
            for number in case.scopes:
                if number in self.scopes:
                    case.add(self.scopes[number])
                else:
                    case.doubt = case.doubt or "a fixture's set-up was not recorded"
            if self.damaged or (case.scopes and not self.ended):
                case.doubt = case.doubt or (DAMAGED if self.damaged else DIED)
            self.found.cases.setdefault(name, Recorded()).add(case)

    def event(self, event: dict[str, Any]) -> None:
        kind, found, codes = event["e"], self.found, self.codes
        if kind == "code":
            codes[event["i"]] = (event["f"], event["l"], event["q"])
        elif kind == "calls":
            found.calls.update((codes[a], codes[b]) for a, b in event["x"])
        elif kind == "import":
            found.calls.add((codes[event["c"]], _top(event["f"])))
        elif kind == "open":
            found.opened.add((codes[event["c"]], event["p"]))
        elif kind == "module":
            found.modules[event["n"]] = event["f"]
        elif kind == "facts":
            found.facts.update(event["x"])
        elif kind == "scope":
            self.scopes.setdefault(event["i"], Recorded()).add(self.recorded(event))
        elif kind == "session":
            found.everyone.add(self.recorded(event))
        elif kind == "collect":
            self.collected(event["f"], self.recorded(event))
        elif kind == "case":
            # A scope may be told of again, with more, when it is torn down: hence looked up at the end.
            case = self.cases.setdefault(event["id"], Recorded())
            case.add(self.recorded(event))
            case.scopes.update(event.get("x", ()))
        else:
            self.ended = self.ended or kind == "end"

    def recorded(self, event: dict[str, Any]) -> Recorded:
        codes = {self.codes[code] for code in event["h"]}
        return Recorded(
            codes, set(event["d"]), bool(event.get("a")), bool(event.get("t")), event.get("u", "")
        )  # fmt: skip

    def collected(self, file: str, did: Recorded) -> None:
        """What collecting a file executes belongs to the file's module block. What it cannot tell belongs to its
        cases; to all cases, if another module was executed as well, which is not executed again for the next file."""
        self.found.calls.update((_top(file), code) for code in did.codes)
        self.found.opened.update((_top(file), path) for path in did.paths)
        alone = all(code[0] == file for code in did.codes)
        mine = self.found.files[file] if alone else self.found.everyone
        mine.add(Recorded(did.codes if did.apart else set(), set(), did.anything, did.apart, did.doubt))


def _top(path: str) -> Code:
    return path, 0, "<module>"
