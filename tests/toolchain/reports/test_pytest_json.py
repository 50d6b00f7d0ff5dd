"""Reports of pytest-json-report: recorded ones, and ones whose numbers were changed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cases import Status
from toolchain.reports import pytest_json
from toolchain.reports.report import Report

FIXTURES = Path(__file__).parent / "fixtures" / "pytest_json"


def changed(tmp_path: Path, **more: Any) -> Report:
    told = json.loads((FIXTURES / "clean.json").read_text()) | more
    path = tmp_path / "report.json"
    path.write_text(json.dumps(told))
    return pytest_json.read(path, "unit")


def test_every_outcome_under_its_node_id() -> None:
    report = pytest_json.read(FIXTURES / "failing.json", "unit")
    assert {str(a.case): a.status.value for a in report.attempts} == {
        "test_shop.py::TestCart::test_adds": "passed",
        "test_shop.py::TestCart::test_removes": "failed",
        "test_shop.py::test_many[1]": "passed",
        "test_shop.py::test_many[a::b]": "passed",
        "test_shop.py::test_error": "error",
        "test_shop.py::test_later": "skipped",
        "test_shop.py::test_known": "xfailed",
        "test_shop.py::test_fixed": "xpassed",
    }
    assert report.complete and report.doubts() == ()
    failed = next(a for a in report.attempts if a.status is Status.FAILED)
    assert "one left" in failed.message and "removing" in failed.output and failed.seconds > 0


def test_a_clean_one_is_believed_and_a_file_that_cannot_be_collected_is_an_error() -> None:
    clean = pytest_json.read(FIXTURES / "clean.json", "unit")
    assert Counter(a.status for a in clean.attempts) == {Status.PASSED: 3} and clean.doubts() == ()
    broken = pytest_json.read(FIXTURES / "broken.json", "unit")
    assert [(a.case.file, a.status) for a in broken.attempts] == [("test_broken.py", Status.ERROR)]
    assert "No module named 'nowhere'" in broken.attempts[0].message and broken.doubts() == ()


SUMMARY = {"passed": 3, "total": 3, "collected": 8, "deselected": 5}


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"tests": []}, "claims 3 tests and holds 0"),
        ({"tests": None}, "claims 3 tests"),
        ({"summary": SUMMARY | {"total": 9}}, "claims 9 tests"),
        ({"summary": SUMMARY | {"failed": 1}}, "claims 1 failed and holds 0"),
        ({"summary": SUMMARY | {"collected": 9}}, "4 cases were collected and 3 reported"),
        ({"exitcode": 1}, "does not fit no failure"),
        ({"exitcode": 3}, "exit code 3"),
        ({"summary": []}, "not that of pytest-json-report"),
    ],
)
def test_numbers_that_disagree_are_not_believed(tmp_path: Path, more: dict[str, Any], problem: str) -> None:
    assert changed(tmp_path, summary=SUMMARY).doubts() == ()
    assert any(problem in doubt for doubt in changed(tmp_path, **{"summary": SUMMARY} | more).doubts())


def test_one_that_is_missing_empty_cut_off_or_huge_is_told(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    assert "there is no report" in pytest_json.read(path, "unit").problems[0]
    path.touch()
    assert "is empty" in pytest_json.read(path, "unit").problems[0]
    content = (FIXTURES / "clean.json").read_bytes().rstrip()
    for length in range(1, len(content), 13):
        path.write_bytes(content[:length])
        report = pytest_json.read(path, "unit")
        assert not report.complete and report.problems
    assert "larger than 10 bytes" in pytest_json.read(path, "unit", max_bytes=10).problems[0]


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda x: st.lists(x)
        | st.dictionaries(
            st.sampled_from(["summary", "tests", "exitcode", "collectors", "outcome", "nodeid", "setup", "crash"]), x
        ),
        max_leaves=20,
    )
)
def test_no_json_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(value))
    report = pytest_json.read(path, "unit")
    assert report.attempts or report.doubts() or isinstance(value, dict)
