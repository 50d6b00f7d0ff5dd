"""What people see of a run outside of it: pages in which nothing that a test printed is markup."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from domain.cases import Attempt, CaseId, Status, SuiteReport, judge
from domain.policy import Decision
from domain.report import Report, Stage
from domain.verdict import Outcome
from tasks import publish, test_reports

BAD = Attempt(
    case=CaseId(suite="unit", file="tests/test_a.py", name="test_it"),
    status=Status.FAILED,
    message="<b>no</b> | [link](https://a.example)",
    output="tests/test_a.py:7: Error",
)


def stage(*, reused: bool = False) -> Stage:
    report = SuiteReport(suite="unit", attempts=(BAD,), seconds=1)
    verdict = judge(report).model_copy(update={"reused": reused})
    return Stage(name="tests.unit", verdict=verdict, payload=test_reports.payload([report]))


def of(*stages: Stage) -> Report:
    values: dict[str, Any] = {"run": "1", "kind": "execution", "project": "shop", "outcome": Outcome.FAIL}
    return Report(**values, decision=Decision(outcome=Outcome.FAIL), stages=stages)


def test_a_stage_of_tests_is_a_page_with_its_failures() -> None:
    page = publish.stage_page(stage())
    assert page.startswith("# ❌ tests.unit: FAIL\n") and "## Failed: 1" in page and page.count("❌") == 1
    outside = page[: page.index("```")]
    assert "<b>no</b>" not in outside and "](https" not in outside


def test_in_github_actions_a_run_is_annotated_and_summed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    publish.announce(of(stage()), tmp_path, out=out)
    assert not out.getvalue()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    publish.announce(of(stage()), tmp_path, out=out)
    assert out.getvalue().startswith("::error file=tests/test_a.py,line=7,title=test_it failed::<b>no</b>")
    summary = (tmp_path / "summary").read_text()
    assert "FAIL: execution shop" in summary and "## tests.unit" in summary and "Failed: 1" in summary


def test_a_verdict_that_is_quoted_annotates_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    out = io.StringIO()
    publish.announce(of(stage(reused=True)), tmp_path, out=out)
    assert not out.getvalue()
