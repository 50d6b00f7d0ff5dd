"""Reads JUnit XML, which nearly every test framework writes, and which nobody should trust.

A stream, so that memory stays bounded however large the report or one case's output is: `stream` gives the attempts one
by one, `read` keeps what decides and counts the rest. Entities and document types are refused. A report that is cut off
or damaged gives what was read up to there, and says so.

No standard defines the format. The dialects that are known here are in docs/reference/runners.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from domain.cases import Attempt, Status
from toolchain.reports._junit_case import CRASHED, PROBLEM, Case, seconds
from toolchain.reports._junit_suites import Suites
from toolchain.reports._lean import Strings
from toolchain.reports._xml import MAX_BYTES, Feed
from toolchain.reports.report import MAX_NAME, MAX_TEXT, Kept, Names, Report, Summary, Text

__all__ = ["CRASHED", "MAX_BYTES", "MAX_NAME", "MAX_TEXT", "PROBLEM", "Report", "Stream", "read", "seconds", "stream"]
_ROOTS = ("testsuites", "testsuite")


class _Reader:
    """The parser's target: called for every tag and piece of text. Finished attempts wait in `ready`."""

    def __init__(self, suite: str, names: Names) -> None:
        self.suite, self.names = suite, names
        self.suites, self.strings = Suites(), Strings()
        self.ready: deque[Attempt] = deque()
        self.last: Attempt | None = None  # held back: pytest may say more of it
        self.cases: list[Case] = []
        self.text: Text | None = None
        self.wants_text = False
        self.elements = self.twice = self.torn_down = self.unnamed = self.bad = self.skipped = self.errors = 0
        self.told: list[str] = []
        self.root = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self.root:
            self.root = tag
            self.suites.root(tag, attributes)
        if tag == "testcase":
            self.cases.append(Case(attributes, self.suites.classname, self.suites.file))
        elif self.cases:
            self.cases[-1].start(tag, attributes)
        elif tag == "testsuite":
            self.suites.start(attributes)
            return
        elif tag == "property" and attributes.get("name") == "go.version":
            self.suites.reruns = True
        self._listen()

    def data(self, text: str) -> None:
        if self.text is not None:
            self.text.add(text)

    def end(self, tag: str) -> None:
        if tag == "testcase" and self.cases:
            self._keep(self.cases.pop())
        elif self.cases:
            self.cases[-1].end(tag)
        elif tag == "testsuite":
            self.suites.end()
            return
        self._listen()

    def _listen(self) -> None:
        self.text = self.cases[-1].text if self.cases else None
        self.wants_text = self.text is not None

    def _keep(self, case: Case) -> None:
        self.elements += 1
        self.suites.case()
        if case.problem:
            self.told.append(case.problem)
            return
        attempt, *more = case.attempts(self.suite, self.strings)
        if not attempt.case.name:
            # pytest leaves one behind for the case in which pytest.exit() was called. It must not count as passed.
            self.unnamed += 1
            return
        if self._torn_down(case, attempt):
            return
        count = self.names.count(attempt.case)
        if count > 1 and self.suites.reruns:
            attempt = attempt.model_copy(update={"number": count})
        elif count > 1:
            apart = attempt.case.model_copy(update={"name": f"{attempt.case.name} (#{count})"})
            attempt, *more = (one.model_copy(update={"case": apart}) for one in (attempt, *more))
        self.flush()
        self.ready.extend((attempt, *more)[:-1])
        self.last = more[-1] if more else attempt
        if attempt.status is not Status.PASSED:
            self.skipped += not attempt.status.bad
            self.errors += attempt.status is Status.ERROR
            self.bad += any(one.status.bad for one in (attempt, *more))

    def _torn_down(self, case: Case, attempt: Attempt) -> bool:
        """pytest writes a case that fails in its call and again in its teardown as two: they are one."""
        torn_down, last = case.torn_down, self.last
        self.torn_down += torn_down
        if not torn_down or last is None or last.case != attempt.case or last.status is not Status.FAILED:
            return False
        self.torn_down -= 1
        self.twice += 1
        both = {"message": f"{last.message}\n{attempt.message}", "output": f"{last.output}\n{attempt.output}"}
        self.last = last.model_copy(update=both)
        return True

    def flush(self) -> None:
        if self.last is not None:
            self.ready.append(self.last)
            self.last = None


class Stream(Iterator[Attempt]):
    """The attempts of a report, one by one, and `summary` once they have all been taken (None until then).

    Its memory does not grow with the report, but for 8 bytes a case, to tell cases of one name apart.
    """

    def __init__(self, path: Path, suite: str, max_bytes: int = MAX_BYTES, names: Names | None = None) -> None:
        self.path = path
        self.summary: Summary | None = None
        self._reader = _Reader(suite, names or Names())
        self._feed = Feed(path, self._reader, max_bytes)
        self._attempts = self._all()

    def __next__(self) -> Attempt:
        return next(self._attempts)

    def _all(self) -> Iterator[Attempt]:
        ready = self._reader.ready
        for _ in self._feed.blocks():
            while ready:
                yield ready.popleft()
        self._reader.flush()
        yield from ready
        self.summary = self._summary()

    def _summary(self) -> Summary:
        reader, feed, name = self._reader, self._feed, self.path.name
        problems = [feed.problem] if feed.problem else []
        if feed.complete and reader.root not in _ROOTS:
            problems.append(f"the report {name} is not JUnit XML: it begins with <{reader.root}>")
        if reader.suites.reruns and (more := reader.suites.claims_errors - reader.errors) > 0:
            # gotestsum counts the packages that did not build, and does not name them.
            problems.append(f"the report {name} counts {more} error(s) outside of its cases")
        if reader.unnamed:
            problems.append(f"{reader.unnamed} case(s) in the report {name} have no name")
        return Summary(
            declared=reader.suites.declared if feed.complete else None,
            fewest=reader.elements - reader.twice,
            most=reader.elements + reader.torn_down + max(0, reader.suites.claims_skipped - reader.skipped),
            claims_bad=reader.suites.claims_bad,
            bad=reader.bad,
            complete=feed.complete,
            problems=(*problems, *reader.told),
            notes=(feed.note,) if feed.note else (),
        )


def stream(path: Path, suite: str, *, max_bytes: int = MAX_BYTES, names: Names | None = None) -> Stream:
    """The attempts of the report at a path, one by one; `.summary` tells at the end whether to believe them.

    `names` is shared by the readers of several reports of one suite, to keep equal names in different files apart.
    """
    return Stream(path, suite, max_bytes, names)


def read(path: Path, suite: str, *, max_bytes: int = MAX_BYTES, names: Names | None = None) -> Report:
    """The report at a path. One that is missing, empty, damaged or huge is told in `problems`, never raised.

    Of a huge one the texts and the good cases beyond a limit are not kept: see `toolchain.reports.report.Kept`.
    """
    attempts, kept = stream(path, suite, max_bytes=max_bytes, names=names), Kept()
    for attempt in attempts:
        kept.add(attempt)
    assert attempts.summary is not None  # nosec B101: it is there once the attempts have been taken
    return kept.report(attempts.summary)
