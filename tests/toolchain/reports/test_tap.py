"""TAP of real producers and of the specification, broken ones included: a plan that is not kept is never whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolchain.reports import tap

FIXTURES = Path(__file__).parent / "fixtures" / "tap"


def read(tmp_path: Path, text: str | bytes) -> tuple[list[str], tuple[str, ...]]:
    path = tmp_path / "report.tap"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return told(path)


def told(path: Path) -> tuple[list[str], tuple[str, ...]]:
    report = tap.read(path, "unit")
    assert report.complete is (not report.problems)
    cases = [f"{a.case.classname}|{a.case.name}|{a.status}".lstrip("|") for a in report.attempts]
    return cases, report.problems


def test_perls_report() -> None:
    assert told(FIXTURES / "perl.tap") == (
        [
            "adds|passed",
            "removes|failed",
            "nested # \\ one|inner|passed",
            "nested # \\ one > deep|deepest|passed",
            "test 4|skipped",
            "someday|xfailed",
            "already|xpassed",
            "test 7|passed",
        ],
        (),
    )


def test_nodes_report() -> None:
    assert told(FIXTURES / "node.tap") == (
        ["cart|adds|passed", "cart|removes|failed", "cart|later|skipped", "cart|someday|xpassed", "plain|sub|passed"],
        (),
    )
    removes = tap.read(FIXTURES / "node.tap", "unit").attempts[1]
    assert removes.message == "Expected values to be strictly equal:" and "1 !== 2" in removes.output
    assert removes.seconds == pytest.approx(0.001190188)


GOOD: dict[str, tuple[str, list[str]]] = {
    "version 12, plan at the end": ("ok 1\nok 2 - b\n1..2\n", ["test 1|passed", "b|passed"]),
    "no numbers": ("1..2\nok\nnot ok\n", ["test 1|passed", "test 2|failed"]),
    "lines of other tools between": ("hello\n1..1\nnoise: ok 5\nok 1 - a\n", ["a|passed"]),
    "an escaped hash": ("1..1\nok 1 - a \\# skip b\n", ["a # skip b|passed"]),
    "skipped all": ("1..0 # skip no database\n", []),
    "a time": ("1..1\nok 1 - a # time=1500ms\n", ["a|passed"]),
    "windows": ("1..1\r\nok 1 - a\r\n", ["a|passed"]),
    "a todo that fails holds for what is in it": (
        "1..1\n    not ok 1 - in\n    1..1\nnot ok 1 - out # TODO later\n",
        ["out|in|xfailed"],
    ),
    "a subtest that fails although nothing in it does": (
        "1..1\n    ok 1 - in\n    1..1\nnot ok 1 - out\n",
        ["out|failed", "out|in|passed"],
    ),
    "cases of one name": ("1..2\nok 1 - a\nok 2 - a\n", ["a|passed", "a (#2)|passed"]),
    "invalid utf-8 in a name": ("1..1\nok 1 - a\n", ["a|passed"]),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_the_specification_allows(tmp_path: Path, name: str) -> None:
    text, cases = GOOD[name]
    assert read(tmp_path, text) == (cases, ())


BAD = {
    "": "is empty",
    "all tests passed\n": "is not TAP",
    "ok 1\nok 2\n": "there is no plan",
    "1..3\nok 1\nok 2\n": "the plan says 3 and there are 2 results",
    "1..1\nok 1\nok 2\n": "the plan says 1 and there are 2 results",
    "1..2\nok 1\nok 1\n": "two results have the number 1",
    "1..2\nok 1\nok 7\n": "has the number 7",
    "1..1\n1..1\nok 1\n": "there are two plans",
    "1..2\nok 1\nBail out! no database\n": "bailed out of: no database",
    "1..1\nok 1 - a": "cut off",
    "1..1\nok 1\n  ---\n  message: x\n": "within a diagnostic block",
    "1..1\n    1..2\n    ok 1\nok 1\n": "in test 1: the plan says 2",
    "1..1\n    ok 1\nok 1\n": "in test 1: there is no plan",
    "1..1\nok 1\n    1..1\n    ok 1\n": "within a subtest",
}


@pytest.mark.parametrize("text", BAD)
def test_what_cannot_be_believed_says_why(tmp_path: Path, text: str) -> None:
    _, problems = read(tmp_path, text)
    assert any(BAD[text] in problem for problem in problems), problems


def test_a_missing_report_a_folder_and_a_huge_one_are_told(tmp_path: Path) -> None:
    assert "there is no report" in tap.read(tmp_path / "none", "unit").problems[0]
    assert "cannot be read" in tap.read(tmp_path, "unit").problems[0]
    (tmp_path / "huge").write_text("1..9\n" + "ok\n" * 1000)
    report = tap.read(tmp_path / "huge", "unit", max_bytes=500)
    assert "larger than 500 bytes" in report.problems[0] and 0 < len(report.attempts) < 1000


@pytest.mark.parametrize("name", ["perl.tap", "node.tap"])
def test_a_report_cut_at_any_byte_never_looks_whole(tmp_path: Path, name: str) -> None:
    # What follows the last result of node is only comments: cutting those takes nothing away.
    content = (FIXTURES / name).read_bytes()
    essential = content.index(b"\n# tests") if b"\n# tests" in content else len(content) - 1
    for length in range(essential):
        _, problems = read(tmp_path, content[:length])
        assert problems, f"cut at {length}"


def test_a_hundred_thousand_results_take_little_time_and_keep_their_order(tmp_path: Path) -> None:
    text = "1..50000\n" + "".join(f"ok {n} - case {n}\n" for n in range(1, 50_001))
    cases, problems = read(tmp_path, text)
    assert problems == () and cases[:2] == ["case 1|passed", "case 2|passed"] and len(cases) == 50_000


@given(st.text(alphabet="ok not1.2#-\n TODOskip", max_size=200))
def test_no_text_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.tap"
    path.write_text(text)
    tap.read(path, "unit")
