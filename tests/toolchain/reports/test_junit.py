"""JUnit XML of several frameworks, broken and hostile reports: what can be read is kept, what cannot be is told."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cases import Status
from toolchain.reports import junit

FIXTURES = Path(__file__).parent / "fixtures" / "junit"


def write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "junit.xml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# fixture → cases, statuses, declared, a word of the first problem ("" for none)
RECORDED: dict[str, tuple[int, dict[str, int], int | None, str]] = {
    "pytest.xml": (6, {"passed": 1, "failed": 1, "error": 1, "skipped": 1, "xfailed": 1, "xpassed": 1}, 6, ""),
    "jest.xml": (3, {"passed": 2, "failed": 1}, 3, ""),
    "surefire.xml": (2, {"passed": 1, "error": 1}, 2, ""),
    "cut-off.xml": (1, {"passed": 1}, None, "cut off or damaged"),
    "empty.xml": (0, {}, None, "is empty"),
    "invalid-utf-8.xml": (1, {"passed": 1}, None, "cut off or damaged"),
    "entities.xml": (0, {}, None, "refused"),
    "external-entity.xml": (0, {}, None, "refused"),
    "unknown-encoding.xml": (0, {}, None, "unknown-encoding.xml"),
    "html.xml": (0, {}, None, "begins with <html>"),
}


@pytest.mark.parametrize("name", RECORDED)
def test_each_recorded_report(name: str) -> None:
    cases, statuses, declared, problem = RECORDED[name]
    report = junit.read(FIXTURES / name, "unit")
    counts: dict[str, int] = {}
    for attempt in report.attempts:
        counts[attempt.status.value] = counts.get(attempt.status.value, 0) + 1
    assert (len(report.attempts), counts, report.declared) == (cases, statuses, declared)
    assert (problem in report.problems[0]) if problem else report.problems == ()
    assert report.complete is (problem in ("", "begins with <html>"))


def test_every_fixture_is_in_the_table() -> None:
    assert {path.name for path in FIXTURES.iterdir()} == RECORDED.keys()


def test_a_missing_report_and_a_folder_are_told(tmp_path: Path) -> None:
    assert "there is no report" in junit.read(tmp_path / "none.xml", "unit").problems[0]
    assert "cannot be read" in junit.read(tmp_path, "unit").problems[0]


def test_cases_with_one_name_are_kept_apart(tmp_path: Path) -> None:
    case = '<testcase classname="t" name="a"/>'
    report = junit.read(write(tmp_path, f'<testsuite tests="3">{case * 3}</testsuite>'), "unit")
    assert [attempt.case.name for attempt in report.attempts] == ["a", "a (#2)", "a (#3)"]


def test_an_endless_output_is_kept_at_both_ends_only(tmp_path: Path) -> None:
    text = "begin" + "x" * 5_000_000 + "end"
    path = write(
        tmp_path,
        f'<testsuite tests="1"><testcase name="a"><failure message="no">{text}</failure></testcase></testsuite>',
    )
    tracemalloc.start()
    report = junit.read(path, "unit")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    output = report.attempts[0].output
    assert output.startswith("begin") and output.endswith("end") and len(output) < junit.MAX_TEXT + 100
    assert peak < 2_000_000, f"{peak} bytes for a report of 5 MB"


def test_a_huge_report_is_read_up_to_the_limit_and_is_not_complete(tmp_path: Path) -> None:
    path = write(tmp_path, '<testsuite tests="9">' + '<testcase name="a"/>' * 20_000 + "</testsuite>")
    report = junit.read(path, "unit", max_bytes=100_000)
    assert 0 < len(report.attempts) < 20_000 and not report.complete
    assert "larger than 100000 bytes" in report.problems[0]


def test_nested_suites_are_not_counted_twice(tmp_path: Path) -> None:
    inner = '<testsuite tests="1"><testcase name="{}"/></testsuite>'
    text = f'<testsuites tests="2"><testsuite tests="2">{inner.format("a")}{inner.format("b")}</testsuite></testsuites>'
    assert junit.read(write(tmp_path, text), "unit").declared == 2


@pytest.mark.parametrize(
    ("time", "seconds"), [("1.5", 1.5), ("1,234.5", 1234.5), ("nan", 0.0), ("-3", 0.0), ("soon", 0.0), ("1e999", 0.0)]
)
def test_a_time_that_cannot_be_is_zero(tmp_path: Path, time: str, seconds: float) -> None:
    report = junit.read(write(tmp_path, f'<testsuite><testcase name="a" time="{time}"/></testsuite>'), "unit")
    assert report.attempts[0].seconds == seconds


def test_a_case_without_a_name_does_not_count_as_passed(tmp_path: Path) -> None:
    report = junit.read(write(tmp_path, '<testsuite tests="1"><testcase time="1"/></testsuite>'), "unit")
    assert report.attempts == () and "no name" in report.problems[0]


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co")), min_size=1, max_size=40)


@given(st.lists(st.tuples(NAMES, st.sampled_from(["", "failure", "error", "skipped"])), max_size=12))
def test_whatever_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, cases: list[tuple[str, str]]) -> None:
    path = tmp_path_factory.getbasetemp() / "written.xml"
    body = "".join(f"<testcase name={quoteattr(n)}>{f'<{k}/>' if k else ''}</testcase>" for n, k in cases)
    path.write_text(f'<testsuite tests="{len(cases)}">{body}</testsuite>', "utf-8")
    report = junit.read(path, "unit")
    words = {"": Status.PASSED, "failure": Status.FAILED, "error": Status.ERROR, "skipped": Status.SKIPPED}
    assert [attempt.status for attempt in report.attempts] == [words[kind] for _, kind in cases]
    assert len({attempt.case for attempt in report.attempts}) == len(cases) == report.declared or not cases


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.xml"
    path.write_bytes(content)
    report = junit.read(path, "unit")
    assert report.problems and not report.attempts


@given(st.integers(0, 400))
def test_a_report_cut_anywhere_never_looks_whole(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    whole = (FIXTURES / "pytest.xml").read_bytes().rstrip()
    path = tmp_path_factory.getbasetemp() / "cut.xml"
    path.write_bytes(whole[: -cut - 1])
    report = junit.read(path, "unit")
    assert not report.complete and report.problems
