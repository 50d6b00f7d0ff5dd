"""GitHub gets the most telling failures at their lines, summaries that fit, and no command that a test printed."""

from __future__ import annotations

import io
import json
import re
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cases import Attempt, CaseId, Status, SuiteReport, judge
from domain.tally import tally
from tasks import test_reports
from toolchain.reports import github, markdown
from toolchain.reports.junit_xml import printable

ANY = st.text(st.characters(), max_size=40)
TRACE = """
    def test_total():
>       assert total() == 3
tests/test_a.py:12:
tests/helpers.py:40: in total
tests/test_a.py:31: AssertionError
"""


def attempt(name: str, status: Status = Status.FAILED, **more: object) -> Attempt:
    case = CaseId(suite="unit", file="tests/test_a.py", name=name)
    return Attempt.model_validate({"case": case, "status": status, "seconds": 0.1, **more})


def run(*attempts: Attempt, **more: object) -> SuiteReport:
    return SuiteReport.model_validate({"suite": "unit", "attempts": attempts, "seconds": 1.0, **more})


def test_a_failure_is_annotated_at_its_line() -> None:
    (one,) = github.annotate(tally([run(attempt("test_total", message="assert 2 == 3", output=TRACE))]))
    expected = "::error file=shop/tests/test_a.py,line=31,title=test_total failed::assert 2 == 3"
    assert github.command(one, prefix="shop") == expected


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ('  File "tests/test_a.py", line 7, in test\n', 7),
        ("at Object.<anonymous> (tests/test_a.py:3:9)", 3),
        ("\x1b[31mtests/test_a.py\x1b[0m:44: Error", 44),
        ("other.py:3: Error", 0),
        ("", 0),
    ],
)
def test_the_line_is_read_from_what_frameworks_print(output: str, line: int) -> None:
    assert github.line_of("tests/test_a.py", output) == line


@given(ANY, ANY, ANY)
def test_a_command_is_one_line_and_nothing_in_it_is_taken_for_a_part_of_it(file: str, title: str, message: str) -> None:
    text = github.command(github.Annotation(level="error", file=file, line=3, title=title, message=message))
    found = re.fullmatch(r"::error (?:file=([^,:\r\n]*),line=3,)?title=([^,:\r\n]*)::([^\r\n]*)", text)
    assert found

    def back(value: str) -> str:
        for code, sign in (("%2C", ","), ("%3A", ":"), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
            value = value.replace(code, sign)
        return value

    assert back(found[2]) == title and back(found[3]) == message


def test_one_annotation_a_trouble_comes_before_more_of_the_same_and_ten_are_the_most() -> None:
    common = [attempt(f"a{n}", message=f"refused at port {n}", output=TRACE) for n in range(30)]
    rare = [attempt(f"b{n}", message=f"rare {'x' * n}") for n in range(3)]
    tries = ((Status.FAILED, 1), (Status.PASSED, 2))
    flaky = [attempt(f"c{n}", status, number=number) for n in range(20) for status, number in tries]
    told = github.annotate(tally([run(*common, *rare, *flaky, problems=("cut off",))]))
    errors, warnings = [one for one in told if one.level == "error"], [one for one in told if one.level == "warning"]
    assert (len(errors), len(warnings)) == (10, 10)
    assert errors[0].message == "cut off"
    assert errors[1].message == "refused at port 0\n\nand 29 other cases with the same message"
    assert {one.title for one in errors[2:5]} == {"b0 failed", "b1 failed", "b2 failed"}
    assert all(one.title.startswith("a") for one in errors[5:])


@given(ANY)
def test_escaped_text_is_only_text(text: str) -> None:
    safe = markdown.escaped(text)
    assert not re.search(r"[<>|`*\[\]\n]|\b_|_\b|:\w|^[-+=]|^\d+[.)]", re.sub("&#\\d+;", "&", safe))
    assert unescape(safe) == " ".join(printable(text).split())


@given(ANY)
def test_nothing_ends_a_fence_but_its_own_end(text: str) -> None:
    fence, *body, end = markdown.fenced(text).split("\n")
    assert end and fence == f"{end}text" and not any(line.strip().startswith(end) for line in body)


@given(st.integers(300, 60_000))
def test_a_page_fits_its_room_and_counts_what_did_not(room: int) -> None:
    bad = [attempt(f"case_{n}", message=f"no {n}", output="ü" * 500) for n in range(100)]
    report = run(*bad, notes=("one",))
    page = markdown.page(tally([report]), [judge(report)], room=room)
    assert len(page.encode()) <= room
    if room > 5_000:
        shown = page.count("<details>")
        assert f"{100 - shown} more failures did not fit" in page or shown == 100
        assert "Slowest" in page and page.count("```") == shown * 2


def test_a_page_says_the_verdict_the_flaky_cases_and_no_secret() -> None:
    report = run(
        attempt("bad", message="hunter2-b", output="token\nhunter2-b ```\n</details>"),
        attempt("wavers|x", Status.FAILED, message="late"),
        attempt("wavers|x", Status.PASSED, number=2),
        attempt("quoted", Status.PASSED, reused=True),
    )
    page = markdown.page(tally([report]), [judge(report)], room=10_000, secrets=["hunter2-b"], title="shop")
    assert page.startswith("# ❌ FAIL: shop\n")
    assert "hunter2-b" not in page and "wavers|x" not in page and "wavers&#124;x" in page
    assert "| failed, passed | late |" in page and "**1** flaky, **1** reused" in page
    assert page.count("````") == 2, "a fence longer than the one in the output"


def test_in_actions_the_failures_are_annotated_and_the_summary_is_appended(tmp_path: Path) -> None:
    report, out, summary = run(attempt("bad", message="no", output=TRACE)), io.StringIO(), tmp_path / "summary.md"
    summary.write_text("before\n")
    environment = {"GITHUB_WORKSPACE": str(tmp_path), "GITHUB_STEP_SUMMARY": str(summary)}
    test_reports.announce([report], [judge(report)], tmp_path / "shop", out=out, environment=environment)
    assert (out.getvalue(), summary.read_text()) == ("", "before\n")
    environment["GITHUB_ACTIONS"] = "true"
    test_reports.announce([report], [judge(report)], tmp_path / "shop", out=out, environment=environment)
    assert out.getvalue() == "::error file=shop/tests/test_a.py,line=31,title=bad failed::no\n"
    assert summary.read_text().startswith("before\n\n# ❌ FAIL: unit\n")


def test_a_summary_that_is_nearly_full_is_left_as_it_is(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("x" * (github.SUMMARY_BYTES - 500))
    report = run(attempt("bad"))
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    test_reports.announce([report], [judge(report)], tmp_path, out=io.StringIO(), environment=environment)
    assert summary.stat().st_size == github.SUMMARY_BYTES - 500


def test_between_the_marks_nothing_is_a_command() -> None:
    out = io.StringIO()
    with github.muted(out):
        print("::error::not mine", file=out)
    stop, _, _, resume = out.getvalue().splitlines()
    token = stop.removeprefix("::stop-commands::")
    assert len(token) == 32 and resume == f"::{token}::"


def test_what_a_stage_keeps_is_json_bounded_and_without_secrets() -> None:
    key = "ghp_" + "a" * 36
    bad = [attempt(f"case_{n}[{key}]", message=f"{key} {n}", output=f"{key}\n" * 500) for n in range(300)]
    kept = test_reports.payload([run(*bad)])
    text = json.dumps(kept)
    assert key not in text and len(text) < 120_000
    assert len(kept["cases"]) == 110 and len(kept["annotations"]) == 10
