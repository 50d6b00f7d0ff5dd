"""Writes JUnit XML, the one report that every CI system reads: all suites and shards in one file.

The dialect is documented in docs/reference/junit.md. In short: pytest's `xunit1` attributes, so that a case keeps its
file; Maven Surefire's `flakyFailure` and `rerunFailure` for what happened on earlier and later attempts; and whatever
JUnit has no word for as a property. `toolchain.reports.junit.read` gives the same attempts back.

Cases are sorted, so that the same results give the same bytes whichever worker was quicker. They are written one by
one: beside the attempts themselves, only their order is in memory.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from domain.cases import Attempt, CaseId, Status, SuiteReport
from domain.excerpt import cut, fair_share, without_colours
from domain.redaction import redact
from domain.tally import by_case, problems_of, unique
from toolchain.reports.junit import CRASHED, PROBLEM

MAX_MESSAGE = 2_000
MAX_OUTPUT = 16_000
BUDGET = 64 << 20
"""Characters of output in the whole report. Above it, the longest outputs are cut first, all to the same length."""

UNEXPECTED = "xfail-marked test passes unexpectedly"

# https://www.w3.org/TR/xml/#charsets: what XML 1.0 cannot hold, not even as a reference.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL = re.compile("[^\x20\x21\x23-\x25\x27-\x3b\x3d\x3f-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_IN_ATTRIBUTE = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;"})
_IN_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})


def printable(text: str) -> str:
    r"""The text as XML can hold it: a forbidden character stands as in Python's source, `\x1b`, `\ufffe`, `\udc80`."""
    return _FORBIDDEN.sub(lambda found: f"\\x{ord(c):02x}" if (c := found[0]) < "\x80" else f"\\u{ord(c):04x}", text)


def _attribute(text: str) -> str:
    if not _SPECIAL.search(text):
        return text
    return printable(text).translate(_IN_ATTRIBUTE).replace("\r", "&#13;")


def _text(text: str) -> str:
    return printable(text).translate(_IN_TEXT)


def write(
    reports: Sequence[SuiteReport],
    path: Path,
    *,
    quarantined: Collection[CaseId] = (),
    secrets: Collection[str] = (),
    budget: int = BUDGET,
) -> None:
    """Writes the reports into one file, a suite an element, its shards merged. The file appears whole or not at all.

    A suite with problems, or cut off, also holds one case `(problem)` that is an error: whoever reads only this file
    must not take it for a clean run.
    """
    suites: dict[str, list[SuiteReport]] = {}
    for report in reports:
        suites.setdefault(report.suite, []).append(report)
    lengths = (len(a.output) for report in reports for a in report.attempts if a.output)
    writer = _Writer(set(quarantined), secrets, fair_share(lengths, budget, MAX_OUTPUT))
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("w", encoding="utf-8", newline="\n", buffering=1 << 20) as file:
            writer.document(suites, file)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


class _Writer:
    def __init__(self, quarantined: set[CaseId], secrets: Collection[str], room: int) -> None:
        self.quarantined, self.secrets, self.room = quarantined, secrets, room

    def document(self, suites: dict[str, list[SuiteReport]], file: TextIO) -> None:
        counted = {name: _numbers(parts) for name, parts in suites.items()}
        every = sum(counted.values(), Counter[str]())
        seconds = sum(_seconds(parts) for parts in suites.values())
        file.write('<?xml version="1.0" encoding="utf-8"?>\n')
        file.write(f'<testsuites name="tes"{_counts(every)} time="{seconds:.3f}">\n')
        for name, parts in suites.items():
            file.write(f'<testsuite name="{_attribute(name)}"{_counts(counted[name])} time="{_seconds(parts):.3f}"')
            began = min((a.started for part in parts for a in part.attempts if a.started > 0), default=0.0)
            if began:
                file.write(f' timestamp="{datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds")}"')
            file.write(">\n")
            file.writelines(self._properties(parts))
            for problem in _problems(parts):
                file.write(f'<testcase name="(problem)"><error type="{PROBLEM}" message="{self._message(problem)}"/>')
                file.write("</testcase>\n")
            for attempts in _cases(parts):
                file.write(self._case(attempts))
            file.write("</testsuite>\n")
        file.write("</testsuites>\n")

    def _properties(self, parts: Sequence[SuiteReport]) -> Iterator[str]:
        yield "<properties>\n"
        yield _property("tes.workers", str(sum(part.workers for part in parts)))
        yield _property("tes.deselected", str(sum(part.deselected for part in parts)))
        for note in unique(note for part in parts for note in part.notes):
            yield _property("tes.note", redact(note, self.secrets))
        yield "</properties>\n"

    def _case(self, attempts: Sequence[Attempt]) -> str:
        last = attempts[-1]
        case = last.case
        head = f'<testcase name="{_attribute(_named(case))}"'
        if case.classname:
            head += f' classname="{_attribute(case.classname)}"'
        if case.file:
            head += f' file="{_attribute(case.file)}"'
        head += f' time="{last.seconds:.6f}"'
        inner = [*self._of_case(attempts), *self._elements(attempts)]
        return f"{head}>{''.join(inner)}</testcase>\n" if inner else f"{head}/>\n"

    def _of_case(self, attempts: Sequence[Attempt]) -> Iterator[str]:
        last = attempts[-1]
        found = []
        if last.reused:
            found.append(_property("reused", "true"))
        if self.quarantined and last.case in self.quarantined:
            found.append(_property("quarantined", "true"))
        if len(attempts) > 1:
            found.append(_property("attempts", ",".join(attempt.status.value for attempt in attempts)))
        if found:
            yield f"<properties>{''.join(found)}</properties>"

    def _elements(self, attempts: Sequence[Attempt]) -> Iterator[str]:
        *before, last = attempts
        bad = [attempt for attempt in before if attempt.status.bad]
        if last.status.bad:
            # As Surefire has it: the first failure is *the* failure, those of the later attempts are its reruns.
            first, *reruns = (*bad, last)
            yield self._bad("error" if first.status is not Status.FAILED else "failure", first)
            for attempt in reruns:
                yield self._rerun("rerun", attempt)
            return
        if last.status is Status.SKIPPED:
            yield f'<skipped type="skipped" message="{self._message(last.message)}"/>'
        elif last.status is Status.XFAILED:
            yield f'<skipped type="pytest.xfail" message="{self._message(last.message)}"/>'
        elif last.status is Status.XPASSED:
            yield f'<skipped type="pytest.xpass" message="{UNEXPECTED}"/>'
        for attempt in bad:
            yield self._rerun("flaky", attempt)
        if last.output:
            yield f"<system-out>{self._output(last.output)}</system-out>"

    def _bad(self, tag: str, attempt: Attempt) -> str:
        head = f'<{tag} type="{_type(attempt)}" message="{self._message(attempt.message)}"'
        return f"{head}>{self._output(attempt.output)}</{tag}>" if attempt.output else f"{head}/>"

    def _rerun(self, kind: str, attempt: Attempt) -> str:
        tag = f"{kind}{'Failure' if attempt.status is Status.FAILED else 'Error'}"
        head = f'<{tag} type="{_type(attempt)}" message="{self._message(attempt.message)}"'
        if not attempt.output:
            return f"{head}/>"
        return f"{head}><stackTrace>{self._output(attempt.output)}</stackTrace></{tag}>"

    def _message(self, text: str) -> str:
        return _attribute(cut(redact(without_colours(text), self.secrets), MAX_MESSAGE)) if text else ""

    def _output(self, text: str) -> str:
        return _text(cut(redact(without_colours(text), self.secrets), self.room))


def _type(attempt: Attempt) -> str:
    return CRASHED if attempt.status is Status.CRASHED else attempt.status.value


def _named(case: CaseId) -> str:
    # A case without a name is lost on most readers, ours included.
    return case.name or case.classname or case.file or "(unnamed)"


def _cases(parts: Sequence[SuiteReport]) -> Iterator[list[Attempt]]:
    return by_case(attempt for part in parts for attempt in part.attempts)


def _problems(parts: Sequence[SuiteReport]) -> list[str]:
    return unique(problem for part in parts for problem in problems_of(part))


def _seconds(parts: Sequence[SuiteReport]) -> float:
    return max((part.seconds for part in parts), default=0.0)


def _numbers(parts: Sequence[SuiteReport]) -> Counter[str]:
    problems = len(_problems(parts))
    numbers = Counter({"tests": problems, "errors": problems})
    for attempts in _cases(parts):
        status = attempts[-1].status
        numbers["tests"] += 1
        if status is Status.FAILED:
            numbers["failures"] += 1
        elif status.bad:
            numbers["errors"] += 1
        elif status is not Status.PASSED:
            numbers["skipped"] += 1
    return numbers


def _counts(numbers: Counter[str]) -> str:
    return "".join(f' {name}="{numbers[name]}"' for name in ("tests", "failures", "errors", "skipped"))


def _property(name: str, value: str) -> str:
    return f'<property name="{name}" value="{_attribute(value)}"/>'
