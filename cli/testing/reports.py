"""Reports of a run for others to read: JUnit XML and HTML where they were asked for, and what GitHub shows."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cli.testing.run import Result, Tested
from domain.errors import TesError, ToolError

if TYPE_CHECKING:
    from domain.cases import SuiteReport
    from domain.trend import TrendPoint


def write(result: Result, html: str | None, junit: str | None) -> list[str]:
    """Writes the reports that were asked for, and tells GitHub where this is one of its steps. The files.

    ToolError when one cannot be written: whoever asked for it would look at an old one.
    """
    from domain.verdict import Verdict
    from tasks import test_reports

    reports = [reported(tested) for tested in result.suites]
    verdicts = [Verdict.model_validate(tested.verdict) for tested in result.suites]
    quarantined = {case for tested in result.suites if tested.aside for case in tested.aside.cases}
    folder = Path(result.entry.folder)
    title = result.entry.project
    files = []
    try:
        written = test_reports.write(
            reports,
            verdicts,
            folder,
            trend=_trend(result) if html is not None else (),
            html=html is not None,
            junit=junit is not None,
            quarantined=quarantined,
            title=title,
        )
        for name, wanted in (("html", html), ("junit", junit)):
            if wanted is not None:
                os.makedirs(os.path.dirname(os.path.abspath(wanted)), exist_ok=True)
                shutil.copyfile(written[name], wanted)
                files.append(wanted)
    except OSError as error:
        raise ToolError(
            f"a report cannot be written: {error}", fix="name a file in a folder that can be written"
        ) from error
    root = Path(result.entry.root)
    test_reports.announce(reports, verdicts, root, out=sys.stderr, quarantined=quarantined, title=title)
    return files


def _trend(result: Result) -> list[TrendPoint]:
    """Earlier runs of the suite, from the records; nothing where they do not answer, or of several suites at once."""
    from tasks.case_memory import trend_before

    if len(result.suites) != 1:
        return []
    try:
        return trend_before(result.entry.project, result.suites[0].suite["name"], result.entry.run)
    except TesError:
        return []


def needed(html: str | None, junit: str | None) -> bool:
    """Whether there is anything to do: making reports takes a while to import."""
    return html is not None or junit is not None or os.environ.get("GITHUB_ACTIONS") == "true"


def reported(tested: Tested) -> SuiteReport:
    """The suite's report; of one that was quoted, the report of what is quoted."""
    from domain.cases import SuiteReport

    if tested.report is not None:
        return tested.report
    quoted = tested.planned.attempts(tested.suite["name"]) if tested.planned is not None else ()
    return SuiteReport(suite=tested.suite["name"], attempts=quoted, workers=1)
