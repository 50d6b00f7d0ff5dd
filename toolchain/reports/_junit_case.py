"""One `<testcase>` of JUnit XML, in whatever dialect, as the attempts at that case."""

from __future__ import annotations

import math
from datetime import datetime

from domain.cases import Attempt, Status
from toolchain.reports._lean import Strings, attempt, case_id
from toolchain.reports.report import MAX_NAME, MAX_TEXT, Text

# Maven Surefire's words for a case that ran more than once (cargo-nextest, Gradle and Playwright took them over): what
# failed before it passed, and what failed again after it had failed.
_EARLIER = {"flakyFailure": Status.FAILED, "flakyError": Status.ERROR}
_LATER = {"rerunFailure": Status.FAILED, "rerunError": Status.ERROR}
AGAIN = _EARLIER | _LATER
# PHPUnit before version 10 marks a test that could not be judged as a warning: nothing was proved, so it is skipped.
_WORST_FIRST = {
    "failure": Status.FAILED,
    "error": Status.ERROR,
    "skipped": Status.SKIPPED,
    "skip": Status.SKIPPED,
    "warning": Status.SKIPPED,
}
_TEXTS = (*_WORST_FIRST, "system-out", "system-err")
# The attributes `status` and `result` of GoogleTest, CTest, Catch2 and NUnit, where no element says it.
_STATUS = {
    **dict.fromkeys(("notrun", "not run", "skipped", "skip", "suppressed", "disabled", "inconclusive"), Status.SKIPPED),
    **dict.fromkeys(("ignored", "pending", "todo", "notrunnable", "notexecuted"), Status.SKIPPED),
    **dict.fromkeys(("fail", "failed", "failure", "broken", "aborted", "timeout", "timedout"), Status.FAILED),
    **dict.fromkeys(("error", "errored", "invalid", "crashed"), Status.ERROR),
}
_SAYS_NOTHING = ("", "Failed")  # gotestsum says no more of any failure
_FRAMING = ("=== RUN", "--- FAIL", "--- SKIP", "FAILED:")
_CATCH2_MAY_FAIL = "TEST_CASE tagged with !"
_CTEST_NO_TOOL = "Unable to find executable"  # under <skipped>, although ctest itself counts it as failed
# Our own words, written by junit_xml.py: a crash, which JUnit does not know, and a reason not to believe the run.
CRASHED = "tes.crashed"
PROBLEM = "tes.problem"
WHOLE_CLASS = "(class)"


class _Mark:
    """An element of a case that says how it went."""

    __slots__ = ("said", "tag", "text")

    def __init__(self, tag: str, said: dict[str, str]) -> None:
        self.tag, self.said, self.text = tag, said, Text()


class Case:
    """A case whose element is open. `suite_class` and `suite_file` are what its suite says, if it says nothing."""

    __slots__ = ("again", "attributes", "marks", "suite_class", "suite_file", "texts", "_open")

    def __init__(self, attributes: dict[str, str], suite_class: str, suite_file: str) -> None:
        self.attributes, self.suite_class, self.suite_file = attributes, suite_class, suite_file
        self.marks: list[_Mark] = []
        self.again: list[_Mark] = []
        self.texts: dict[str, Text] = {}
        self._open: list[Text] = []

    def start(self, tag: str, said: dict[str, str]) -> None:
        """An element below it begins. Inside a rerun everything is text of that rerun."""
        if tag in AGAIN:
            mark = _Mark(tag, said)
            self.again.append(mark)
            self._open.append(mark.text)
        elif tag in _TEXTS:
            inside = (
                self.again[-1].text if self._open and self.again and self._open[-1] is self.again[-1].text else None
            )
            if inside is None and tag in _WORST_FIRST:
                self.marks.append(_Mark(tag, said))
            self._open.append(inside or self.texts.setdefault(tag, Text()))

    def end(self, tag: str) -> None:
        if self._open and (tag in AGAIN or tag in _TEXTS):
            self._open.pop()

    @property
    def text(self) -> Text | None:
        """Where text belongs now."""
        return self._open[-1] if self._open else None

    @property
    def problem(self) -> str:
        """What it says of the whole run, when it is no case."""
        return next((mark.said.get("message", "") for mark in self.marks if mark.said.get("type") == PROBLEM), "")

    @property
    def torn_down(self) -> bool:
        """Whether pytest says that its teardown failed."""
        return any(mark.tag == "error" and "teardown" in mark.said.get("message", "") for mark in self.marks)

    def attempts(self, suite: str, strings: Strings) -> list[Attempt]:
        """All of them in order; the case's own is the last when it passed on retry, and the first otherwise."""
        main = self._main(suite, strings)
        if not self.again:
            return [main]
        earlier: list[Attempt] = []
        later: list[Attempt] = []
        for mark in self.again:
            status = Status.CRASHED if mark.said.get("type") == CRASHED else AGAIN[mark.tag]
            one = attempt(
                main.case,
                status,
                seconds=seconds(mark.said.get("time", "")),
                started=moment(mark.said.get("timestamp", "")),
                message=mark.said.get("message", "")[:MAX_TEXT] or _first_line(str(mark.text)),
                output=str(mark.text).strip("\n"),
            )
            # A case that did not fail in the end has failed before, whatever the word.
            (earlier if mark.tag in _EARLIER or not main.status.bad else later).append(one)
        found = [*earlier, main, *later]
        return [one.model_copy(update={"number": number}) for number, one in enumerate(found, 1)]

    def _main(self, suite: str, strings: Strings) -> Attempt:
        get = self.attributes.get
        classname = get("classname", get("class"))
        if classname is None:
            classname = self.suite_class
        file = get("file") or self.suite_file
        name = get("name", "")[:MAX_NAME]
        status, why = self._status()
        if not name and status.bad:
            # Surefire's way to say that what belongs to the whole class failed.
            name = WHOLE_CLASS
        texts = [text for kind in _TEXTS if kind in self.texts and (text := str(self.texts[kind]).strip("\n"))]
        message = "" if why is None else why.get("message", "")
        if why is not None and message in _SAYS_NOTHING:
            own = [text for tag in _WORST_FIRST if (text := str(self.texts.get(tag, "")).strip())]
            told = next((_first_line(text, f"{classname}::{name}") for text in own or texts), message)
            # nextest says "test timeout" as a type alone, above whatever the case had printed.
            message = told if own else why.get("type") or told
        return attempt(
            case_id(suite, strings.one(file[:MAX_NAME]), strings.one(classname[:MAX_NAME]), name),
            status,
            seconds=seconds(get("time", "")),
            started=moment(get("timestamp", "")),
            message=message[:MAX_TEXT],
            output="\n".join(texts),
        )

    def _status(self) -> tuple[Status, dict[str, str] | None]:
        """Its worst word, and the attributes that say why: failure over error over skipped over the case's own."""
        said_skipped = [mark.said for mark in self.marks if mark.tag == "skipped"]
        if any(said.get("message", "").startswith(_CATCH2_MAY_FAIL) for said in said_skipped):
            return Status.XFAILED, said_skipped[0]
        for tag, status in _WORST_FIRST.items() if self.marks else ():
            if (said := next((mark.said for mark in self.marks if mark.tag == tag), None)) is None:
                continue
            if status is Status.ERROR and said.get("type") == CRASHED:
                status = Status.CRASHED
            elif said.get("type") == "pytest.xfail":
                status = Status.XFAILED
            elif said.get("message") == "xfail-marked test passes unexpectedly":
                status = Status.XPASSED
            elif said.get("message") == _CTEST_NO_TOOL:
                status = Status.ERROR
            return status, said
        for name in ("status", "result"):
            if (word := self.attributes.get(name, "").lower()) in _STATUS:
                return _STATUS[word], {"message": f"its {name} is {word}"}
        return Status.PASSED, None


def _first_line(text: str, title: str = "") -> str:
    """The first one that tells something: PHPUnit repeats who the case is, Go and Catch2 that it failed."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = (line for line in lines if not line.startswith(_FRAMING) and not (title and line.startswith(title)))
    return next(telling, lines[0] if lines else "")


def seconds(text: str) -> float:
    """A time, 0 for one that cannot be. Surefire writes 1,234.5 in some locales."""
    try:
        value = float(text.replace(",", ""))
    except ValueError:
        return 0.0
    return value if math.isfinite(value) and value >= 0 else 0.0


def moment(text: str) -> float:
    """An ISO date as seconds since the epoch, 0 without one or without its zone."""
    if not text:
        return 0.0
    try:
        when = datetime.fromisoformat(text)
        return when.timestamp() if when.tzinfo else 0.0
    except (ValueError, OverflowError):
        return 0.0
