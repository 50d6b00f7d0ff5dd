"""The workers' journals into the parent's own pytest, so that everything that reports there sees what it would have
seen: the terminal, the last-failed cache, JUnit XML, plugins."""

from __future__ import annotations

import importlib
import os
import warnings
from typing import Any, Dict, List

from _pytest.reports import CollectReport, TestReport

from .journal import Event
from .listeners import Listeners

_NOTHING: List[Any] = []
_NO_WORDS: Dict[str, Any] = {}


class Gone:
    """Stands for an item that a worker deselected: it has a number, and no name here."""

    nodeid = "(deselected in a worker)"


def result(config: Any, event: Event, retried: bool, listeners: Listeners) -> None:
    """One attempt's reports to whoever listens. One that will be repeated is told as such and counts as no failure."""
    hook = config.hook
    if "collect" in event:
        hook.pytest_collectreport(report=_collected(config, event))
        return
    if event["o"] == "passed" and "reports" not in event and not retried and listeners.quick:
        listeners.passed(_reports(config, event))
        return
    for report in _reports(config, event):
        if retried and report.outcome == "failed":
            report.outcome = "rerun"
        hook.pytest_runtest_logreport(report=report)


def _collected(config: Any, event: Event) -> Any:
    data = dict(event["collect"])
    report = config.hook.pytest_report_from_serializable(config=config, data=data)
    if not isinstance(report, CollectReport):
        report = CollectReport(nodeid=event["id"], outcome="failed", longrepr=event.get("msg", ""), result=[])
    report.result = []
    if isinstance(report.longrepr, list):
        report.longrepr = tuple(report.longrepr)
    return report


def _reports(config: Any, event: Event) -> List[Any]:
    if "reports" in event:
        found = [config.hook.pytest_report_from_serializable(config=config, data=dict(d)) for d in event["reports"]]
        for report in found:
            if isinstance(report.longrepr, list):  # JSON has no tuples
                report.longrepr = tuple(report.longrepr)
        return found
    location = (event["f"], event["ln"] - 1, event["c"].replace("::", ".") + "." * bool(event["c"]) + event["name"])
    reports = []
    for when, seconds in zip(("setup", "call", "teardown"), event["d"]):
        # What a person may want to know of a set-up is that it was slow.
        if when == "call" or seconds >= 0.005:
            outcome: Any = "passed"
            longrepr = None
            if event["o"] != "passed" and when == "call":
                outcome, longrepr = "failed", event.get("out") or event.get("msg") or event["o"]
            made = TestReport(event["id"], location, {}, outcome, longrepr, when, (), seconds)  # type: ignore[arg-type]
            if outcome == "passed":
                # pytest keeps every report to the end: hundreds of thousands need not each have empty lists.
                made.sections, made.user_properties, made.keywords = _NOTHING, _NOTHING, _NO_WORDS
            reports.append(made)
    return reports


def warning(config: Any, event: Event) -> None:
    """A warning, with its class where the parent has it too."""
    module, _, name = event["category"].rpartition(".")
    category: Any = UserWarning
    try:
        category = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        category = type(name, (Warning,), {"__module__": module})
    message = warnings.WarningMessage(_made(category, event["text"]), category, event["file"], event["line"])
    arguments = {"warning_message": message, "when": event["when"], "nodeid": event["id"], "location": event["at"]}
    config.hook.pytest_warning_recorded.call_historic(kwargs=arguments)


def _made(category: Any, text: str) -> Any:
    """The warning itself, made without asking its class, which may want other arguments."""
    try:
        made = category.__new__(category)
        Warning.__init__(made, text)
    except Exception:
        return text
    return made if str(made) == text else text


def words(path: str, limit: int = 16_000) -> str:
    """The end of a file that a worker may have left; empty when it did not."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - limit))
            return file.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""
