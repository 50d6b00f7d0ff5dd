"""Reads the Test Anything Protocol, versions 12 to 14: https://testanything.org/tap-version-14-specification.html

A plan (`1..4`) is what makes it trustworthy: without one, or with fewer results than it says, or with a bail out, the
report is not complete. A subtest's cases are listed under its name; the line that sums it up is a case of its own only
when it fails and none of its own does. The last line must end with a newline, else it may be cut off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from domain.cases import Attempt, CaseId, Status
from toolchain.reports.report import MAX_NAME, Kept, Names, Report, Summary, Text

MAX_BYTES = 256 << 20
_MAX_LINE = 1 << 16
_POINT = re.compile(r"(not )?ok\b(?: +(\d{1,9}))?(?: *- )? *(.*)", re.DOTALL)
_PLAN = re.compile(r"(\d{1,9})\.\.(\d{1,9})(?:\s*#\s*(.*))?\s*\Z")
_DIRECTIVE = re.compile(r"(?<!\\)#\s*(skip|todo)\S*\s*(.*)", re.IGNORECASE | re.DOTALL)
_TIME = re.compile(r"(?<!\\)#\s*time=([0-9.]{1,20})(ms|s)?\s*\Z")
_DURATION = re.compile(r"\s*duration_ms:\s*([0-9.eE+-]{1,30})\s*\Z")
_MESSAGE = re.compile(r"""\s*(?:message|error):\s*['"]?(.*?)['"]?\s*\Z""")
_INDENT = 4


class _Point:
    def __init__(self, good: bool, text: str) -> None:
        self.seconds, self.reason, self.message = 0.0, "", ""
        self.text = Text()
        self.children: list[tuple[tuple[str, ...], _Point]] = []
        if found := _TIME.search(text):
            self.seconds = _number(found[1]) / (1.0 if found[2] == "s" else 1000.0)
            text = text[: found.start()]
        directive = _DIRECTIVE.search(text)
        if directive:
            text, self.reason = text[: directive.start()], directive[2].strip()
        self.name = re.sub(r"\\([#\\])", r"\1", text.strip())[:MAX_NAME]
        self.status = Status.PASSED if good else Status.FAILED
        if directive and directive[1].lower() == "skip":
            self.status = Status.SKIPPED
        elif directive:
            self.status = Status.XPASSED if good else Status.XFAILED


class _Level:
    """One plan with its points: the whole document, or a subtest."""

    def __init__(self) -> None:
        self.plan: int | None = None
        self.points = 0
        self.problems: list[str] = []
        self.ready: list[tuple[tuple[str, ...], _Point]] = []
        self.last: _Point | None = None
        self.seen: set[int] = set()

    def point(self, match: re.Match[str], inner: _Level | None) -> _Point:
        self.points += 1
        number = int(match[2]) if match[2] else self.points
        if number in self.seen:
            self.problems.append(f"two results have the number {number}")
        self.seen.add(number)
        made = _Point(not match[1], match[3])
        made.name = made.name or f"test {number}"
        if inner is not None:
            self.problems += [f"in {made.name}: {problem}" for problem in inner.ended()]
            made.children = inner.cases()
        self.flush()
        self.last = made
        return made

    def flush(self) -> None:
        if self.last is not None:
            point, self.last = self.last, None
            under = [((point.name, *path), one) for path, one in point.children]
            if not under or point.status.bad and not any(one.status.bad for _, one in under):
                self.ready.append(((), point))
            elif point.status in (Status.SKIPPED, Status.XFAILED, Status.XPASSED):
                for _, one in under:  # a todo or a skip of the whole subtest holds for what is in it
                    one.status, one.reason = point.status, point.reason
            self.ready += under

    def cases(self) -> list[tuple[tuple[str, ...], _Point]]:
        self.flush()
        ready, self.ready = self.ready, []
        return ready

    def ended(self) -> Iterator[str]:
        yield from self.problems
        if self.plan is None:
            yield "there is no plan"
        elif self.plan != self.points:
            yield f"the plan says {self.plan} and there are {self.points} results"
        elif self.seen and max(self.seen) > self.plan:
            yield f"the plan says {self.plan} and a result has the number {max(self.seen)}"


class _Reader:
    def __init__(self) -> None:
        self.levels = [_Level()]
        self.inner: _Level | None = None
        self.yaml: int | None = None
        self.block = False
        self.bailed = ""
        self.known = False
        self.cut = False

    def line(self, text: str) -> None:
        bare = text.lstrip(" ")
        indent = len(text) - len(bare)
        if self.yaml is not None and self._yaml(text, bare, indent):
            return
        if bare.startswith("Bail out!"):
            self.bailed = bare[len("Bail out!") :].strip() or "without a reason"
        elif bare.startswith("TAP version"):
            self.known = self.known or indent == 0
        elif plan := _PLAN.match(bare):
            self._plan(plan, self._level(indent))
        elif (point := _POINT.match(bare)) and not bare.startswith("ok,"):
            level = self._level(indent)
            inner, self.inner = self.inner, None
            level.point(point, inner)
        elif bare.startswith("---") and indent % _INDENT and self.levels[-1].last is not None:
            self.yaml = indent
        elif bare.startswith("#") and not bare.startswith("# Subtest") and self.levels[-1].last is not None:
            self.levels[-1].last.text.add(bare[1:].strip() + "\n")

    def _yaml(self, text: str, bare: str, indent: int) -> bool:
        """A diagnostic block's line; False when the block has ended without its end."""
        assert self.yaml is not None  # nosec B101
        point = self.levels[-1].last
        if indent < self.yaml and bare:
            self.yaml = None
            return False
        if bare == "..." and indent == self.yaml:
            self.yaml = None
        elif point is not None:
            if self.block and bare:
                point.message, self.block = bare, False
            if found := _DURATION.match(text):
                point.seconds = _number(found[1]) / 1000.0
            elif not point.message and (found := _MESSAGE.match(text)):
                self.block = found[1][:1] in ("|", ">")
                point.message = "" if self.block else found[1]
            point.text.add(text[self.yaml :] + "\n")
        return True

    def _level(self, indent: int) -> _Level:
        """The level of a line; deeper levels that end here become the children of the next point."""
        depth = indent // _INDENT
        while len(self.levels) - 1 > depth:
            done = self.levels.pop()
            if self.inner is not None:
                done.problems.append("a subtest has no result of its own")
                done.ready += self.inner.cases()
            self.inner = done
        while len(self.levels) - 1 < depth and len(self.levels) < 100:
            self.levels.append(_Level())
        self.known = True
        return self.levels[-1]

    def _plan(self, match: re.Match[str], level: _Level) -> None:
        if level.plan is not None:
            level.problems.append("there are two plans")
        level.plan = max(0, int(match[2]) - int(match[1]) + 1)

    def end(self) -> Iterator[str]:
        if len(self.levels) > 1 or self.inner is not None:
            yield "it ends within a subtest"
        if self.yaml is not None:
            yield "it ends within a diagnostic block"
        if self.cut:
            yield "its last line is cut off"
        if self.bailed:
            yield f"it was bailed out of: {self.bailed}"
        yield from self.levels[0].ended()


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value < 1e9 else 0.0


def read(path: Path, suite: str, *, max_bytes: int = MAX_BYTES, names: Names | None = None) -> Report:
    """The report at a path. What is wrong with it is told in `problems`, never raised."""
    reader, kept, names = _Reader(), Kept(), names or Names()
    problems: list[str] = []
    bad, size = 0, 0

    def take() -> int:
        found = 0
        for parents, point in reader.levels[0].cases():
            case = CaseId(suite=suite, classname=" > ".join(parents)[:MAX_NAME], name=point.name)
            output = str(point.text).strip("\n")
            message = point.reason or point.message or (output.partition("\n")[0] if point.status.bad else "")
            kept.add(
                Attempt(
                    case=names.apart(case), status=point.status, seconds=point.seconds, message=message, output=output
                )
            )
            found += point.status.bad
        return found

    try:
        with path.open("rb") as file:
            while line := file.readline(_MAX_LINE):
                size += len(line)
                if size > max_bytes:
                    problems.append(f"the report {path.name} is larger than {max_bytes} bytes; the rest was not read")
                    break
                reader.cut = not line.endswith(b"\n")
                if reader.cut and len(line) < _MAX_LINE:
                    break
                reader.line(line.decode("utf-8", "replace").rstrip("\r\n"))
                if len(reader.levels) == 1 and len(reader.levels[0].ready) > 1000:
                    point = reader.levels[0].last
                    reader.levels[0].last = None
                    bad += take()
                    reader.levels[0].last = point
    except FileNotFoundError:
        problems.append(f"there is no report {path.name}")
    except OSError as error:
        problems.append(f"the report {path.name} cannot be read: {error.strerror}")
    for level in reader.levels[1:]:  # what is left of subtests that never ended
        reader.levels[0].ready += level.cases()
    bad += take()
    if not problems:
        problems += [f"the report {path.name} is not complete: {problem}" for problem in reader.end()]
        if not size:
            problems = [f"the report {path.name} is empty"]
        elif not reader.known:
            problems = [f"the report {path.name} is not TAP"]
    count = len(kept.attempts) + sum(kept.unlisted.values())
    summary = Summary(fewest=count, most=count, bad=bad, complete=not problems, problems=tuple(problems))
    return kept.report(summary)
