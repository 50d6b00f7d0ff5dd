"""What pytest reports of the cases of one process, into its journal; and what plugins would rather not have reported.

A case's reports come in phases. What was raised inside a test is seen at its innermost place, so that a plugin which
turns a failure into a pass, or repeats a case until it passes, is found out.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional

import pytest

from _pytest.reports import TestReport

from .batch import name_of
from .clock import clock
from .journal import Event, Journal

TEXT = 64 * 1024
"""Characters of a message or of captured output that are kept: half from the beginning, half from the end."""


_USUAL = vars(TestReport("", ("", None, ""), {}, "passed", None, "call")).keys()


def cut(text: str) -> str:
    if not text.isascii():  # halves of characters, which no file and no terminal takes
        text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) <= TEXT:
        return text
    return f"{text[: TEXT // 2]}\n[... {len(text) - TEXT} characters left out ...]\n{text[-TEXT // 2 :]}"


class Recorder:
    """A plugin of the process that runs cases. `take` says which case comes; `done` says how it went."""

    def __init__(self, config: Any, journal: Journal, worker: str) -> None:
        self.config, self.journal, self.worker = config, journal, worker
        self.verbatim = wants_every_report(config)
        self.case = self.node = ""
        self.number, self.batch = 1, -1
        self.began = 0.0
        self.reports: List[Any] = []
        self.raised: Optional[BaseException] = None
        self.hidden: List[Any] = []
        self.failed: List[Any] = []
        self.setup = 0.0
        self.failures = 0
        self.deselected: List[Any] = []
        # Whether a failure is to be looked at again before it counts; whether this is that second look.
        self.doubts = self.proof = False
        # Whether other cases of its file, which plain pytest would have run before it, did not run in this process.
        self.ahead = False
        # pytest tells a plugin that comes late of every warning so far.
        self.hears = False

    def take(self, item: Any, number: int, batch: int) -> Event:
        """A case begins: the event that says so."""
        self.case, self.number, self.batch, self.began = name_of(item), number, batch, clock.time()
        self.node = item.nodeid
        self.reports, self.hidden, self.failed = [], [], []
        return {"e": "start", "id": self.case, "n": number, "t": round(self.began, 6), "w": self.worker, "b": batch}

    def done(self, item: Any) -> List[Event]:
        """The case is over: its results, one an attempt, and what is suspicious about them."""
        events: List[Event] = []
        if any(map(_of_subtest, self.failed)):
            for report in self.reports:  # asked what it is called, pytest makes the case that they are in a failure
                self.config.hook.pytest_report_teststatus(report=report, config=self.config)
        for report in self.failed:
            if report.outcome not in ("failed", "rerun"):
                text = f"{self.case} failed and a plugin changed its report into {report.outcome} afterwards"
                events.append({"e": "problem", "text": text})
        for report in self.hidden:
            if report not in self.reports:
                events.append(self._result(item, [report]))
                self.number += 1
        attempt: List[Any] = []
        for report in self.reports:
            attempt.append(report)
            if report.outcome == "rerun":  # pytest-rerunfailures says so of an attempt that it repeats
                events.append(self._result(item, attempt))
                self.number, attempt = self.number + 1, []
        # A repeated attempt's set-up is reported anew, its tear-down belongs to the last one.
        if not attempt:
            text = f"{self.case} was run and no plugin reported how it went"
            return [*events, {"e": "problem", "text": text}]
        if not any(report.when == "call" or report.outcome != "passed" for report in attempt):
            events.append(
                {"e": "problem", "text": f"{self.case} was set up and never called: nothing reported its call"}
            )
        events.append(self._result(item, attempt))
        return self._worded(events)

    def _worded(self, events: List[Event]) -> List[Event]:
        """The results among them as what they are: results, doubted ones, or (the last of them) a proof."""
        results = [event for event in events if event["e"] == "result"]
        if self.proof:
            results[-1]["e"] = "proof"
            return [event for event in events if event["e"] != "result"]
        if self.doubts and results[-1]["o"] in ("failed", "error"):
            for event in results:
                event["e"] = "doubted"
                if self.ahead and event["n"] == 1:  # another attempt has always been without them
                    event["ahead"] = True
        return events

    def _result(self, item: Any, reports: List[Any]) -> Event:
        status = status_of(reports)
        if status in ("failed", "error"):
            self.failures += 1
        seconds = {"setup": 0.0, "call": 0.0, "teardown": 0.0}
        for report in reports:
            seconds[report.when] = seconds.get(report.when, 0.0) + report.duration
        self.setup = seconds["setup"]
        event: Event = {
            "e": "result",
            **named(self.case),
            "n": self.number,
            "o": status,
            "t": round(getattr(reports[0], "start", 0.0) or self.began, 6),
            "d": [round(seconds[when], 6) for when in ("setup", "call", "teardown")],
            "w": self.worker,
            "b": self.batch,
            "ln": (item.location[1] or 0) + 1,
        }
        event.update(texts(status, reports))
        plain = status == "passed" and not self.verbatim and not any(map(_says_more, reports))
        if not plain:
            serialize = self.config.hook.pytest_report_to_serializable
            kept = [r for r in reports if self.verbatim or r.outcome != "passed" or r.when == "call" or _says_more(r)]
            event["reports"] = [serialize(config=self.config, report=report) for report in kept]
        return event

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.nodeid == self.node:
            self.reports.append(report)
            if report.outcome == "failed":
                self.failed.append(report)
                if _of_subtest(report) and self.hidden:
                    self.hidden.pop()  # the report that this one was made of, a moment ago

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_call(self, item: Any) -> Iterator[None]:
        self.raised = None
        outcome: Any = yield
        if outcome.excinfo is not None:
            self.raised = outcome.excinfo[1]

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_pyfunc_call(self, pyfuncitem: Any) -> Iterator[None]:
        outcome: Any = yield
        if outcome.excinfo is not None:
            self.raised = outcome.excinfo[1]

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Iterator[None]:
        outcome: Any = yield
        if outcome.excinfo is not None or item.nodeid != self.node:
            return
        report = outcome.get_result()
        raised = call.excinfo.value if call.excinfo is not None else None
        if raised is None and call.when == "call":
            raised = self.raised
        if call.when == "call":
            self.raised = None
        if report.outcome == "failed":
            self.hidden.append(report)
        elif raised is not None and report.outcome in ("passed", "skipped") and not _is_skip(raised):
            if getattr(report, "wasxfail", None) is None or not _expected(item, raised):
                text = f"{self.case} raised {type(raised).__name__} and a plugin reported that it {report.outcome}"
                self.journal.write({"e": "problem", "text": text.replace("it skipped", "it was skipped")})

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: Any) -> None:
        """A file or class that could not be collected is a case that went wrong; one that was skipped is skipped."""
        if report.outcome == "passed":
            return
        status = "error" if report.outcome == "failed" else "skipped"
        file, _, rest = report.nodeid.partition("::")
        event: Event = {
            "e": "result",
            "id": report.nodeid,
            "f": file,
            "c": rest,
            "name": "(collection)",
            "n": 1,
            "o": status,
            "t": round(clock.time(), 6),
            "d": [0.0, 0.0, 0.0],
            "w": self.worker,
            "b": self.batch,
            "ln": 0,
            **texts(status, [report]),
        }
        serialized = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        # Its items are not there, and what the report holds of them cannot be sent.
        serialized["result"] = None
        event["collect"] = serialized
        self.journal.write(*self._worded([event]))

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: Any, when: str, nodeid: str, location: Any) -> None:
        if not self.hears or self.proof and when == "runtest":
            return  # it has been told of
        category = warning_message.category
        self.journal.write(
            {
                "e": "warning",
                "text": str(warning_message.message),
                "category": f"{category.__module__}.{category.__qualname__}",
                "file": warning_message.filename,
                "line": warning_message.lineno,
                "when": when,
                "b": self.batch,
                "id": nodeid,
                "at": location,
            }
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_deselected(self, items: List[Any]) -> None:
        self.deselected += items
        self.journal.write({"e": "deselected", "k": len(items), "w": self.worker, "b": self.batch})


def _says_more(report: Any) -> bool:
    """Whether there is more in it than that a phase passed: output, properties, what a plugin keeps in it for later."""
    return bool(report.sections or report.user_properties or vars(report).keys() - _USUAL)


def wants_every_report(config: Any) -> bool:
    """Whether somebody besides pytest itself looks at each report: then the parent gets all of them, as they were."""
    for name in ("pytest_runtest_logreport", "pytest_report_teststatus", "pytest_report_from_serializable"):
        for implementation in getattr(config.hook, name).get_hookimpls():
            module = getattr(implementation.function, "__module__", "") or ""
            if not module.startswith(("_pytest.", "_tes_engine")) and not module.startswith(_SILENT):
                return True
    return bool(getattr(config.option, "xmlpath", None))


_SILENT = (
    "_hypothesis_",
    "hypothesis",
    "pytest_asyncio",
    "anyio",
    "xdist",
    "pytest_cov",
    "pytest_timeout",
    "tes_engine",
)


def named(node: str) -> Dict[str, str]:
    """A node id with its parts: file, class, name with parameters."""
    plain, bracket, parameters = node.partition("[")
    file, *middle = plain.split("::")
    name = (middle.pop() if middle else "") + bracket + parameters
    return {"id": node, "f": file, "c": "::".join(middle), "name": name or file}


def status_of(reports: List[Any]) -> str:
    """What all phases of an attempt come to, in our words."""
    status = "passed"
    for report in reports:
        if report.outcome in ("failed", "rerun"):
            if report.when == "call" and status != "error":
                status = "failed"
            elif status != "failed":
                status = "error"
        elif status == "passed" and hasattr(report, "wasxfail"):
            status = "xfailed" if report.outcome == "skipped" else "xpassed"
        elif status == "passed" and report.outcome == "skipped" and not hasattr(report, "context"):
            status = "skipped"
    return status


def texts(status: str, reports: List[Any]) -> Dict[str, str]:
    """The message and the output that are worth keeping; nothing for a case that just passed."""
    if status == "passed":
        return {}
    messages, outputs = [], []
    for report in reports:
        if report.outcome == "passed" and not hasattr(report, "wasxfail"):
            continue
        if isinstance(report.longrepr, tuple):
            messages.append(str(report.longrepr[2]))
        elif getattr(report, "wasxfail", None):
            messages.append(str(report.wasxfail))
        elif report.longrepr is not None:
            crash = getattr(getattr(report.longrepr, "reprcrash", None), "message", None)
            text = getattr(report, "longreprtext", "") or str(report.longrepr)
            messages.append(str(crash) if crash else text.strip().rpartition("\n")[2])
            outputs.append(text)
    if status in ("failed", "error"):
        outputs.extend(f"--- {title} ---\n{content}" for title, content in reports[-1].sections if content)
    found = {"msg": cut("\n".join(messages)), "out": cut("\n".join(outputs))}
    return {key: text for key, text in found.items() if text}


def _of_subtest(report: Any) -> bool:
    """Whether it is of a part of a case: of pytest 9, or of pytest-subtests before."""
    return type(report).__name__ in ("SubtestReport", "SubTestReport")


def _expected(item: Any, raised: BaseException) -> bool:
    """Whether somebody who wrote the test said that it fails: by a mark, or by calling pytest.xfail()."""
    return item.get_closest_marker("xfail") is not None or type(raised).__name__ == "XFailed"


def _is_skip(raised: BaseException) -> bool:
    return type(raised).__name__ in ("Skipped", "SkipTest", "XFailed", "Exit")
