"""JUnit XML of several frameworks, broken and hostile reports: what can be read is kept, what cannot be is told."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import junit as benchmark
from domain.cases import Status, SuiteReport, judge
from domain.verdict import Outcome
from toolchain.reports import junit
from toolchain.reports.report import Kept

FIXTURES = Path(__file__).parent / "fixtures" / "junit"


def write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "junit.xml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# fixture → attempts, statuses, declared, a word of the first doubt ("" for none)
RECORDED: dict[str, tuple[int, dict[str, int], int | None, str]] = {
    "pytest.xml": (6, {"passed": 1, "failed": 1, "error": 1, "skipped": 1, "xfailed": 1, "xpassed": 1}, 6, ""),
    "jest.xml": (3, {"passed": 2, "failed": 1}, 3, ""),
    # jest-junit writes a todo as if it had passed, and does not count it
    "jest-junit.xml": (5, {"passed": 3, "failed": 1, "skipped": 1}, 4, "claims 4 cases and holds 5"),
    "vitest.xml": (6, {"passed": 2, "failed": 2, "skipped": 2}, 6, ""),
    "mocha-junit-reporter.xml": (4, {"passed": 2, "failed": 2}, 6, "claims 6 cases and holds 4"),
    "mocha-xunit.xml": (5, {"passed": 2, "failed": 2, "skipped": 1}, 4, "claims 4 cases and holds 5"),
    "cypress.xml": (3, {"passed": 1, "failed": 1, "skipped": 1}, 3, ""),
    "playwright.xml": (14, {"passed": 6, "failed": 6, "skipped": 2}, 10, ""),
    "surefire.xml": (2, {"passed": 1, "error": 1}, 2, ""),
    "surefire-class.xml": (3, {"error": 3}, 1, ""),
    "surefire-flaky.xml": (4, {"passed": 2, "failed": 1, "error": 1}, 2, ""),
    # Surefire counts what it ran again in another file
    "surefire-rerun.xml": (5, {"passed": 1, "failed": 2, "error": 2}, 2, "claims 2 cases and holds 3"),
    "gradle.xml": (4, {"passed": 2, "failed": 1, "skipped": 1}, 4, ""),
    "gotestsum-reruns.xml": (5, {"passed": 3, "failed": 1, "skipped": 1}, 5, ""),
    # it counts the packages that did not build, and names them nowhere
    "gotestsum-broken.xml": (2, {"passed": 1, "skipped": 1}, 2, "counts 1 error(s) outside of its cases"),
    "go-junit-report.xml": (3, {"passed": 1, "failed": 1, "error": 1}, 3, ""),
    "nextest.xml": (6, {"passed": 2, "failed": 4}, 4, ""),
    "catch2.xml": (5, {"passed": 2, "failed": 1, "error": 1, "xfailed": 1}, None, ""),
    "ctest.xml": (7, {"passed": 2, "failed": 2, "skipped": 2, "error": 1}, 7, ""),
    "googletest.xml": (4, {"passed": 1, "failed": 1, "skipped": 2}, 4, ""),
    "nunit.xml": (4, {"passed": 1, "failed": 1, "skipped": 2}, 4, ""),
    "phpunit.xml": (5, {"passed": 2, "failed": 1, "error": 1, "skipped": 1}, 5, ""),
    "phpunit-9.xml": (10, {"passed": 3, "failed": 2, "error": 2, "skipped": 3}, 10, ""),
    "phpunit-9-warning.xml": (1, {"skipped": 1}, 1, ""),
    "invalid-utf-8.xml": (2, {"passed": 2}, 2, ""),
    "control-characters.xml": (2, {"passed": 2}, 2, ""),
    "utf-16.xml": (1, {"passed": 1}, 1, ""),
    "latin-1.xml": (1, {"passed": 1}, 1, ""),
    "wrong-count.xml": (2, {"passed": 2}, 3, "claims 3 cases and holds 2"),
    "hidden-failure.xml": (1, {"passed": 1}, 1, "claims 1 failure(s) and shows none"),
    "nothing.xml": (0, {}, 0, ""),
    "cut-off.xml": (1, {"passed": 1}, None, "cut off or damaged"),
    "empty.xml": (0, {}, None, "is empty"),
    "entities.xml": (0, {}, None, "refused"),
    "external-entity.xml": (0, {}, None, "refused"),
    "unknown-encoding.xml": (0, {}, None, "unknown-encoding.xml"),
    "html.xml": (0, {}, None, "begins with <html>"),
}
BROKEN = {"cut-off.xml", "empty.xml", "entities.xml", "external-entity.xml", "unknown-encoding.xml", "html.xml"}
WHOLE = sorted(RECORDED.keys() - BROKEN)


@pytest.mark.parametrize("name", RECORDED)
def test_each_recorded_report(name: str) -> None:
    cases, statuses, declared, problem = RECORDED[name]
    report = junit.read(FIXTURES / name, "unit")
    counts: dict[str, int] = {}
    for attempt in report.attempts:
        counts[attempt.status.value] = counts.get(attempt.status.value, 0) + 1
    assert (len(report.attempts), counts, report.declared) == (cases, statuses, declared)
    assert (problem in report.doubts()[0]) if problem else report.doubts() == ()
    assert report.complete is (name not in BROKEN - {"html.xml"})


def test_every_fixture_is_in_the_table() -> None:
    assert {path.name for path in FIXTURES.iterdir()} == RECORDED.keys()


# fixture → attempts as `file | class | name | number | status`
PLACED = {
    "cypress.xml": [
        "cypress/e2e/login.cy.js | accepts a known user | login accepts a known user | 1 | passed",
        "cypress/e2e/login.cy.js | refuses a wrong password | login refuses a wrong password | 1 | failed",
        "cypress/e2e/login.cy.js | says so | login when it is locked says so | 1 | skipped",
    ],
    "surefire-flaky.xml": [
        " | shop.PriceTest | rounds | 1 | failed",
        " | shop.PriceTest | rounds | 2 | error",
        " | shop.PriceTest | rounds | 3 | passed",
        " | shop.PriceTest | adds | 1 | passed",
    ],
    "surefire-class.xml": [f" | shop.BrokenTest | (class) | {number} | error" for number in (1, 2, 3)],
    "nextest.xml": [
        " | shop | tests::adds | 1 | passed",
        " | shop | tests::removes | 1 | failed",
        " | shop | tests::removes | 2 | failed",
        " | shop | tests::aborts | 1 | failed",
        " | shop::api | flaky | 1 | failed",
        " | shop::api | flaky | 2 | passed",
    ],
    "gotestsum-reruns.xml": [
        " | example.org/shop/cart | TestAdds | 1 | passed",
        " | example.org/shop/cart | TestRemoves | 1 | failed",
        " | example.org/shop/cart | TestRemoves | 2 | passed",
        " | example.org/shop/cart | TestLater | 1 | skipped",
        " | example.org/shop/price | TestRounds/a_b | 1 | passed",
    ],
    "invalid-utf-8.xml": [" |  | a | 1 | passed", " |  | \ufffd\ufffd | 1 | passed"],
    "latin-1.xml": [" | t | Grüße | 1 | passed"],
}


@pytest.mark.parametrize("name", PLACED)
def test_who_a_case_is_and_which_attempt_it_is(name: str) -> None:
    attempts = junit.read(FIXTURES / name, "unit").attempts
    told = [f"{a.case.file} | {a.case.classname} | {a.case.name} | {a.number} | {a.status}" for a in attempts]
    assert told == PLACED[name]


def test_the_texts_of_an_earlier_attempt_are_its_own() -> None:
    first, second, last, _ = junit.read(FIXTURES / "surefire-flaky.xml", "unit").attempts
    assert "PriceTest.java:9" in first.output and "rounding" in first.output and "at last" not in first.output
    assert (second.message, last.output) == ("no rate", "rounding at last")


@pytest.mark.parametrize("name", ["invalid-utf-8.xml", "control-characters.xml"])
def test_characters_that_were_replaced_are_told_and_decide_nothing(name: str) -> None:
    report = junit.read(FIXTURES / name, "unit")
    assert "were replaced" in report.notes[0] and report.problems == ()


def test_two_projects_of_playwright_do_not_hide_each_other() -> None:
    report = junit.read(FIXTURES / "playwright.xml", "unit")
    assert len({a.case for a in report.attempts}) == 10
    assert any("[[ATTACHMENT|" in a.output for a in report.attempts)


@pytest.mark.parametrize("name", WHOLE)
def test_a_report_cut_at_any_byte_keeps_a_prefix_of_its_cases_and_never_looks_whole(tmp_path: Path, name: str) -> None:
    content = (FIXTURES / name).read_bytes().rstrip(b"\r\n\0 ")
    whole = [(a.case, a.number, a.status) for a in junit.read(FIXTURES / name, "unit").attempts]
    step = max(1, len(content) // 80)
    for length in {*range(0, len(content), step), *range(len(content) - 20, len(content))}:
        report = junit.read(write(tmp_path, content[:length]), "unit")
        assert not report.complete and report.problems, f"cut at {length}"
        read = [(a.case, a.number, a.status) for a in report.attempts]
        assert read == whole[: len(read)], f"cut at {length}"


def test_a_case_that_names_no_class_is_known_by_its_suites(tmp_path: Path) -> None:
    text = "<testsuites>" + "".join(f'<testsuite name="{name}"><testcase name="a"/></testsuite>' for name in "xy")
    report = junit.read(write(tmp_path, text + "</testsuites>"), "unit")
    assert [str(a.case) for a in report.attempts] == ["x::a", "y::a"]


@pytest.mark.parametrize(
    ("attributes", "status"),
    [
        ("status='failed'", "failed"),
        ("status='NotRun'", "skipped"),
        ("result='Error'", "error"),
        ("status='run'", "passed"),
    ],
)
def test_a_word_in_an_attribute_counts_where_no_element_says_more(tmp_path: Path, attributes: str, status: str) -> None:
    report = junit.read(write(tmp_path, f"<testsuite><testcase name='a' {attributes}/></testsuite>"), "unit")
    assert report.attempts[0].status == status


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("<a>" * 2000, "nested more than"),
        ('<testsuite><testcase name="' + "x" * 18_000_000, "too long"),
        ("<!DOCTYPE a><testsuite/>", "document type"),
    ],
)
def test_what_would_eat_memory_is_refused(tmp_path: Path, content: str, problem: str) -> None:
    report = junit.read(write(tmp_path, content), "unit")
    assert problem in report.problems[0] and not report.complete


@pytest.mark.parametrize("blocks", [1, 2, 3, 5, 7])
def test_where_a_block_ends_does_not_matter(blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("control-characters.xml", "utf-16.xml", "latin-1.xml", "nunit.xml", "invalid-utf-8.xml"):
        whole = junit.read(FIXTURES / name, "unit")
        with monkeypatch.context() as patch:
            patch.setattr("toolchain.reports._xml._CHUNK", 256 + blocks)
            assert junit.read(FIXTURES / name, "unit") == whole


def test_a_stream_gives_the_attempts_before_the_report_has_ended(tmp_path: Path) -> None:
    case = '<testcase classname="t" name="{}"/>'
    text = "<testsuite>" + "".join(case.format(n) for n in range(10_000))
    attempts = junit.stream(write(tmp_path, text), "unit")
    assert next(attempts).case.name == "0" and attempts.summary is None
    assert sum(1 for _ in attempts) == 9_999
    assert attempts.summary is not None and not attempts.summary.complete


def test_beyond_a_limit_good_cases_are_counted_and_bad_ones_still_listed(tmp_path: Path) -> None:
    cases = "".join(
        f'<testcase classname="t" name="{n}"><system-out>{"x" * 100}</system-out></testcase>' for n in range(50)
    )
    bad = '<testcase classname="t" name="bad"><failure message="no">trace</failure></testcase>'
    path = write(tmp_path, f'<testsuite tests="51">{cases}{bad}</testsuite>')
    kept = Kept(listed=10, texts=550)
    attempts = junit.stream(path, "unit")
    for attempt in attempts:
        kept.add(attempt)
    assert attempts.summary is not None
    report = kept.report(attempts.summary)
    assert (len(report.attempts), report.unlisted, report.doubts()) == (11, {Status.PASSED: 40}, ())
    assert [len(a.output) for a in report.attempts] == [100] * 5 + [0] * 5 + [5]
    assert "40 cases beyond the first 10 are counted, not listed" in report.notes
    said = judge(SuiteReport(suite="unit", attempts=report.attempts[:10], unlisted=report.unlisted))
    assert (said.outcome, said.metrics["cases"], said.metrics["passed"]) == (Outcome.PASS, 50.0, 50.0)
    worse = judge(SuiteReport(suite="unit", attempts=report.attempts[:10], unlisted={Status.FAILED: 1}))
    assert worse.outcome is Outcome.FAIL


def test_200_megabytes_are_read_in_less_than_200_megabytes(tmp_path: Path) -> None:
    """The whole process, imports and all; `benchmarks/junit.py` does it with 1 GB."""
    path = tmp_path / "large.xml"
    benchmark.write(path, 200)
    told = benchmark.measure("ours, read", path)
    assert told["cases"] > 200_000 and told["bad"] > 2_000
    assert told["peak_mb"] < 200, told


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


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("testA", "C::testA\none left\nat C.php:5", "one left"),  # PHPUnit
        ("TestA", "=== RUN   TestA\n    a_test.go:6: one left\n--- FAIL: TestA (0.00s)", "a_test.go:6: one left"),
        ("adds", "\nFAILED:\nso bad\nat a.cpp:5\n", "so bad"),  # Catch2
        ("a", "C::a", "C::a"),
        ("a", "one\ntwo", "one"),
    ],
)
def test_the_message_is_the_first_line_that_tells_something(tmp_path: Path, name: str, text: str, message: str) -> None:
    for said in ("", 'message="Failed"'):  # gotestsum says so of everything
        xml = (
            f'<testsuite><testcase classname="C" name="{name}"><failure {said}>{text}</failure></testcase></testsuite>'
        )
        [attempt] = junit.read(write(tmp_path, xml), "unit").attempts
        assert attempt.message == message
