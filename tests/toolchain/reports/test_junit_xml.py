"""What is written as JUnit XML is read back as the same attempts, whatever text is in them."""

from __future__ import annotations

import random
import re
import tracemalloc
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cases import Attempt, CaseId, Status, SuiteReport, final
from domain.excerpt import without_colours
from domain.redaction import redact
from toolchain.reports import junit, junit_xml

ANY = st.text(st.characters(), max_size=30)  # surrogates and control characters too
NAMED = ANY.filter(bool)
CASES = st.builds(CaseId, suite=st.just("unit"), file=ANY, classname=ANY, name=NAMED)


def attempt(name: str, status: Status = Status.PASSED, **more: object) -> Attempt:
    return Attempt.model_validate({"case": CaseId(suite="unit", file="t.py", name=name), "status": status, **more})


def written(tmp_path: Path, *reports: SuiteReport, **options: object) -> str:
    junit_xml.write(reports, tmp_path / "junit.xml", **options)  # type: ignore[arg-type]
    return (tmp_path / "junit.xml").read_text("utf-8")


def as_xml_has_it(case: CaseId) -> CaseId:
    parts = {name: junit_xml.printable(value) for name, value in case.model_dump().items()}
    return CaseId.model_validate(parts)


def told(attempts: tuple[Attempt, ...]) -> dict[CaseId, Status]:
    return {case: last.status for case, last in final(attempts).items()}


@given(
    st.lists(
        st.tuples(CASES, st.lists(st.sampled_from(Status), min_size=1, max_size=3), ANY, ANY),
        max_size=8,
        unique_by=lambda row: as_xml_has_it(row[0]),
    ),
    st.lists(NAMED, max_size=2, unique=True),
)
def test_the_round_trip_gives_the_same_cases_and_statuses(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[CaseId, list[Status], str, str]],
    problems: list[str],
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.xml"
    attempts = tuple(
        Attempt(case=case, status=status, number=number, message=message, output=output)
        for case, statuses, message, output in rows
        for number, status in enumerate(statuses, 1)
    )
    junit_xml.write([SuiteReport(suite="unit", attempts=attempts, problems=tuple(problems))], path)
    read = junit.read(path, "unit")
    assert told(read.attempts) == {as_xml_has_it(case): status for case, status in told(attempts).items()}
    assert read.complete and len(read.problems) >= len(problems) == read.declared - len(rows)  # type: ignore[operator]
    assert read.fewest <= read.declared <= read.most  # type: ignore[operator]


@given(ANY, ANY)
def test_messages_and_outputs_come_back(tmp_path_factory: pytest.TempPathFactory, message: str, output: str) -> None:
    path = tmp_path_factory.getbasetemp() / "texts.xml"
    one = attempt("a", Status.FAILED, message=f"x{message}", output=f"x{output}x")
    junit_xml.write([SuiteReport(suite="unit", attempts=(one,))], path)
    (read,) = junit.read(path, "unit").attempts
    assert read.message == junit_xml.printable(without_colours(redact(f"x{message}")))
    assert read.output == junit_xml.printable(without_colours(redact(f"x{output}x")))


def test_every_attempt_of_a_retried_case_is_kept_in_surefires_words(tmp_path: Path) -> None:
    runs = (
        attempt("flaky", Status.FAILED, number=1, message="first", output="trace 1"),
        attempt("flaky", Status.CRASHED, number=2, message="signal 11"),
        attempt("flaky", Status.PASSED, number=3),
        attempt("bad", Status.FAILED, number=1, message="first"),
        attempt("bad", Status.ERROR, number=2, message="second", output="trace 2"),
    )
    text = written(tmp_path, SuiteReport(suite="unit", attempts=runs))
    suite = ElementTree.fromstring(text)[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "0", "1")
    tags = {case.get("name"): [one.tag for one in case] for case in suite.iter("testcase")}
    assert tags == {
        "bad": ["properties", "failure", "rerunError"],
        "flaky": ["properties", "flakyFailure", "flakyError"],
    }
    read = junit.read(tmp_path / "junit.xml", "unit").attempts
    keep = ("status", "number", "message", "output")
    assert [tuple(getattr(one, k) for k in keep) for one in read] == [
        ("failed", 1, "first", ""),
        ("error", 2, "second", "trace 2"),
        ("failed", 1, "first", "trace 1"),
        ("crashed", 2, "signal 11", ""),
        ("passed", 3, "", ""),
    ]


def test_reused_and_quarantined_are_properties(tmp_path: Path) -> None:
    one, other = attempt("a", reused=True), attempt("b", Status.FAILED)
    text = written(tmp_path, SuiteReport(suite="unit", attempts=(one, other)), quarantined={other.case})
    assert re.findall(r'name="(\w)".*?<properties>(.*?)</properties>', text) == [
        ("a", '<property name="reused" value="true"/>'),
        ("b", '<property name="quarantined" value="true"/>'),
    ]


def test_a_run_that_cannot_be_believed_is_not_green_for_who_reads_only_this(tmp_path: Path) -> None:
    suite = ElementTree.fromstring(
        written(tmp_path, SuiteReport(suite="unit", attempts=(attempt("a"),), complete=False))
    )
    assert suite.get("errors") == "1"
    read = junit.read(tmp_path / "junit.xml", "unit")
    assert read.problems == ("the report is cut off",) and len(read.attempts) == 1


def test_shards_are_one_suite_and_a_result_sent_twice_counts_once(tmp_path: Path) -> None:
    first = SuiteReport(suite="unit", attempts=(attempt("a"), attempt("b")), seconds=2, workers=2)
    second = SuiteReport(suite="unit", attempts=(attempt("b"), attempt("c")), seconds=3, workers=2)
    other = SuiteReport(suite="api", attempts=(attempt("a"),))
    root = ElementTree.fromstring(written(tmp_path, first, second, other))
    assert [(suite.get("name"), suite.get("tests"), suite.get("time")) for suite in root] == [
        ("unit", "3", "3.000"),
        ("api", "1", "0.000"),
    ]
    assert root.get("tests") == "4"


def test_the_same_results_give_the_same_bytes_in_whatever_order_they_came(tmp_path: Path) -> None:
    runs = [attempt(f"t{n}", random.Random(n).choice(list(Status))) for n in range(50)]
    first = written(tmp_path, SuiteReport(suite="unit", attempts=tuple(runs)))
    random.Random(1).shuffle(runs)
    assert written(tmp_path, SuiteReport(suite="unit", attempts=tuple(runs))) == first


def test_no_secret_and_no_colour_is_written_and_the_longest_outputs_are_cut(tmp_path: Path) -> None:
    long = attempt("long", Status.FAILED, output="begin" + "x" * 9_000 + "end", message="\x1b[31mred\x1b[0m hunter2-b")
    short = attempt("short", Status.FAILED, output="y" * 900)
    report = SuiteReport(suite="unit", attempts=(long, short), notes=("with hunter2-b",))
    text = written(tmp_path, report, secrets=["hunter2-b"], budget=3_000)
    assert "hunter2-b" not in text and "\\x1b" not in text and 'message="red ***"' in text
    assert "y" * 900 in text and "begin" in text and "end<" in text and "characters left out" in text
    assert len(text) < 4_500


def test_a_report_that_cannot_be_finished_leaves_the_one_before(tmp_path: Path) -> None:
    before = written(tmp_path, SuiteReport(suite="unit", attempts=(attempt("a"),)))
    broken = SuiteReport.model_construct(suite="unit", attempts=(attempt("a"), None))  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        written(tmp_path, broken)
    assert [path.read_text() for path in tmp_path.iterdir()] == [before]


def test_many_cases_take_little_memory_beside_themselves(tmp_path: Path) -> None:
    runs = tuple(attempt(f"test_that_{n}") for n in range(20_000))
    report = SuiteReport.model_construct(suite="unit", attempts=runs)
    tracemalloc.start()
    written_to = tmp_path / "junit.xml"
    junit_xml.write([report], written_to)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert written_to.stat().st_size > 1_000_000
    assert peak < 20_000 * 200, f"{peak / 20_000:.0f} bytes a case"
