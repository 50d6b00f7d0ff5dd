"""The front door of the test reports: what is asked for is written, and nothing slow is imported for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from domain.cases import Attempt, CaseId, Status, SuiteReport, judge
from tasks import test_reports

REPORT = SuiteReport(suite="unit", attempts=(Attempt(case=CaseId(suite="unit", name="a"), status=Status.PASSED),))


def test_what_is_asked_for_is_written(tmp_path: Path) -> None:
    new = tmp_path / "new"
    written = test_reports.write([REPORT], [judge(REPORT)], new)
    assert written == {"junit": new / "junit.xml", "html": new / "report.html"}
    assert all(path.stat().st_size for path in written.values())
    assert test_reports.write([REPORT], [], tmp_path / "none", html=False, junit=False) == {}


def test_a_report_that_cannot_be_written_is_told_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (told,) = test_reports.evidence([REPORT], [], tmp_path / "file")
    assert "could not be written" in told.location


def test_neither_prefect_nor_the_records_are_imported() -> None:
    code = "import sys, tasks.test_reports; print({'prefect', 'sqlmodel', 'sqlalchemy', 'jinja2'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
