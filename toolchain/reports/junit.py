"""Reads JUnit XML, which nearly every test framework writes, and which nobody should trust.

A stream, so that memory stays bounded however large the report or one case's output is. Entities and document types are
refused (defusedxml). A report that is cut off or damaged gives what was read up to there, and says so.

No standard defines the format; this reads what pytest, Jest, Vitest, Mocha, Maven Surefire and gotestsum write.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from domain.cases import Attempt, CaseId, Status
from domain.verdict import Value

MAX_BYTES = 1 << 30
MAX_TEXT = 16_000
MAX_NAME = 2_000
_CHUNK = 1 << 16
_TEXTS = ("failure", "error", "skipped", "system-out", "system-err")
# Maven Surefire's words for a case that ran more than once: what failed before it passed, or after it first failed.
_EARLIER = {"flakyFailure": Status.FAILED, "flakyError": Status.ERROR}
_LATER = {"rerunFailure": Status.FAILED, "rerunError": Status.ERROR}
_AGAIN = _EARLIER | _LATER
# Our own words, written by junit_xml.py: a crash, which JUnit does not know, and a reason not to believe the run.
CRASHED = "tes.crashed"
PROBLEM = "tes.problem"


class Report(Value):
    """What was read. `declared` is the number of tests the report claims to hold, None when it does not say.

    `fewest` and `most` are the numbers it may claim, given the cases: pytest counts a case that failed both in its
    call and in its teardown once or twice, depending on its version.
    """

    attempts: tuple[Attempt, ...] = ()
    declared: int | None = None
    fewest: int = 0
    most: int = 0
    complete: bool = True
    problems: tuple[str, ...] = ()


class _Text:
    """The beginning and the end of a text that may be endless."""

    def __init__(self, limit: int) -> None:
        self.limit, self.head, self.tail, self.size = limit, "", "", 0

    def add(self, more: str) -> None:
        self.size += len(more)
        room = self.limit // 2 - len(self.head)
        self.head += more[: max(0, room)]
        rest = more[max(0, room) :]
        if rest:
            self.tail = (self.tail + rest)[-self.limit // 2 :]

    def __str__(self) -> str:
        cut = self.size - len(self.head) - len(self.tail)
        return f"{self.head}\n[... {cut} characters left out ...]\n{self.tail}" if cut else self.head + self.tail


class _Case:
    def __init__(self, attributes: dict[str, str]) -> None:
        self.attributes = attributes
        self.kinds: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, _Text] = {}
        self.again: list[tuple[str, dict[str, str], _Text]] = []

    @property
    def problem(self) -> str:
        """What it says of the whole run, when it is no case."""
        return next((said.get("message", "") for _, said in self.kinds if said.get("type") == PROBLEM), "")

    def attempts(self, suite: str) -> list[Attempt]:
        """All of them in order; Surefire's own element is the last when it passed on retry, and the first otherwise."""
        main = self.attempt(suite)
        if not self.again:
            return [main]
        earlier: list[Attempt] = []
        later: list[Attempt] = []
        for tag, said, text in self.again:
            status = Status.CRASHED if said.get("type") == CRASHED else _AGAIN[tag]
            message = said.get("message", "")[:MAX_TEXT]
            one = Attempt(case=main.case, status=status, message=message, output=str(text).strip("\n"))
            (earlier if tag in _EARLIER else later).append(one)
        found = [*earlier, main, *later]
        return [one.model_copy(update={"number": number}) for number, one in enumerate(found, 1)]

    def attempt(self, suite: str) -> Attempt:
        """Its worst word counts: failure over error over skipped."""
        told = {kind: attributes for kind, attributes in reversed(self.kinds)}
        status = Status.PASSED
        if "failure" in told:
            status = Status.FAILED
        elif "error" in told:
            status = Status.CRASHED if told["error"].get("type") == CRASHED else Status.ERROR
        elif "skipped" in told:
            status = Status.SKIPPED
            if told["skipped"].get("type") == "pytest.xfail":
                status = Status.XFAILED
            elif told["skipped"].get("message") == "xfail-marked test passes unexpectedly":
                status = Status.XPASSED
        why = next((told[kind] for kind in ("failure", "error", "skipped") if kind in told), {})
        texts = [str(self.texts[kind]).strip("\n") for kind in _TEXTS if kind in self.texts]
        message = why.get("message", "") or next((line for text in texts for line in text.splitlines() if line), "")
        get = self.attributes.get
        return Attempt(
            case=CaseId(
                suite=suite,
                file=get("file", "")[:MAX_NAME],
                classname=get("classname", "")[:MAX_NAME],
                name=get("name", "")[:MAX_NAME],
            ),
            status=status,
            seconds=_seconds(get("time", "")),
            message=message[:MAX_TEXT] if why else "",
            output="\n".join(text for text in texts if text),
        )


def _seconds(text: str) -> float:
    # Surefire writes 1,234.5 in some locales.
    try:
        value = float(text.replace(",", ""))
    except ValueError:
        return 0.0
    return value if math.isfinite(value) and value >= 0 else 0.0


class _Reader:
    """The parser's target: called for every tag and piece of text."""

    def __init__(self, suite: str) -> None:
        self.suite = suite
        self.attempts: list[Attempt] = []
        self.seen: Counter[CaseId] = Counter()
        self.declared: list[int | None] = []
        self.total: int | None = None
        self.twice = self.torn_down = 0
        self.case: _Case | None = None
        self.text: _Text | None = None
        self.nested = False
        self.unnamed = 0
        self.elements = 0
        self.told: list[str] = []
        self.root = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition("}")[2]
        self.root = self.root or tag
        if tag == "testsuite":
            if self.declared:
                self.declared[-1] = None  # its own number only sums up its suites'
            number = attributes.get("tests", "")
            self.declared.append(int(number) if number.isascii() and number.isdigit() and len(number) < 10 else None)
        elif tag == "testcase":
            self.case = _Case(attributes)
        elif self.case is not None and tag in _AGAIN:
            self.text = _Text(MAX_TEXT)
            self.case.again.append((tag, attributes, self.text))
            self.nested = True
        elif self.case is not None and tag in _TEXTS and not self.nested:
            if tag in ("failure", "error", "skipped"):
                self.case.kinds.append((tag, attributes))
            self.text = self.case.texts.setdefault(tag, _Text(MAX_TEXT))

    def data(self, text: str) -> None:
        if self.text is not None:
            self.text.add(text)

    def end(self, tag: str) -> None:
        tag = tag.rpartition("}")[2]
        if tag in _AGAIN or (tag in _TEXTS and not self.nested):
            self.text, self.nested = None, False
        elif tag == "testcase" and self.case is not None:
            self._keep(self.case)
            self.case = None
        elif tag == "testsuite" and (number := self.declared.pop()) is not None:
            self.total = (self.total or 0) + number

    def _keep(self, case: _Case) -> None:
        self.elements += 1
        if case.problem:
            self.told.append(case.problem)
            return
        attempt, *more = case.attempts(self.suite)
        if not attempt.case.name:
            # pytest leaves one behind for the case in which pytest.exit() was called. It must not count as passed.
            self.unnamed += 1
            return
        torn_down = any(kind == "error" and "teardown" in said.get("message", "") for kind, said in case.kinds)
        last = self.attempts[-1] if self.attempts else None
        if last is not None and last.case == attempt.case and last.status is Status.FAILED and torn_down:
            # pytest writes a case that fails in its call and again in its teardown as two.
            self.twice += 1
            output = f"{last.output}\n{attempt.output}"
            self.attempts[-1] = last.model_copy(
                update={"message": f"{last.message}\n{attempt.message}", "output": output}
            )
            return
        self.torn_down += torn_down
        self.seen[attempt.case] += 1
        if (count := self.seen[attempt.case]) > 1:
            apart = attempt.case.model_copy(update={"name": f"{attempt.case.name} (#{count})"})
            attempt = attempt.model_copy(update={"case": apart})
        self.attempts.append(attempt)
        self.attempts += (one.model_copy(update={"case": attempt.case}) for one in more)

    def close(self) -> None:
        return None


def read(path: Path, suite: str, *, max_bytes: int = MAX_BYTES) -> Report:
    """The report at a path. One that is missing, empty, damaged or huge is told in `problems`, never raised."""
    reader = _Reader(suite)
    problems: list[str] = []
    complete = False
    parser = DefusedXMLParser(target=reader, forbid_dtd=True)
    size = 0
    try:
        with path.open("rb") as file:
            while block := file.read(_CHUNK):
                size += len(block)
                if size > max_bytes:
                    problems.append(f"the report {path.name} is larger than {max_bytes} bytes; the rest was not read")
                    break
                parser.feed(block)
            else:
                parser.close()
                complete = True
    except FileNotFoundError:
        problems.append(f"there is no report {path.name}")
    except OSError as error:
        problems.append(f"the report {path.name} cannot be read: {error.strerror}")
    except ParseError as error:
        what = "is empty" if size == 0 else f"is cut off or damaged ({error})"
        problems.append(f"the report {path.name} {what}")
    except DefusedXmlException as error:
        problems.append(f"the report {path.name} is refused: it defines entities or a document type ({error})")
    except (ValueError, LookupError) as error:  # an encoding that it claims and that nobody knows
        problems.append(f"the report {path.name} cannot be decoded: {error}")
    if complete and reader.root not in ("testsuites", "testsuite"):
        problems.append(f"the report {path.name} is not JUnit XML: it begins with <{reader.root}>")
    if reader.unnamed:
        problems.append(f"{reader.unnamed} case(s) in the report {path.name} have no name")
    problems += reader.told
    return Report(
        attempts=tuple(reader.attempts),
        declared=reader.total if complete else None,
        fewest=reader.elements - reader.twice,
        most=reader.elements + reader.torn_down,
        complete=complete,
        problems=tuple(problems),
    )
