"""The judgement of a suite: PASS only when a case passed, none is bad in the end, and the report is whole."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cases import Attempt, CaseId, Status, SuiteReport, final, judge
from domain.verdict import Outcome


def attempt(name: str, status: Status, number: int = 1, message: str = "") -> Attempt:
    case = CaseId(suite="unit", file="t.py", name=name)
    return Attempt(case=case, status=status, number=number, message=message)


def report(*statuses: Status, **more: object) -> SuiteReport:
    attempts = tuple(attempt(f"case{number}", status) for number, status in enumerate(statuses))
    return SuiteReport.model_validate({"suite": "unit", "attempts": attempts} | more)


@pytest.mark.parametrize(
    ("given_", "outcome"),
    [
        (report(Status.PASSED), Outcome.PASS),
        (report(Status.PASSED, Status.SKIPPED), Outcome.PASS),
        (report(Status.XFAILED), Outcome.PASS),
        (report(Status.PASSED, Status.FAILED), Outcome.FAIL),
        (report(Status.PASSED, Status.ERROR), Outcome.FAIL),
        (report(Status.PASSED, Status.CRASHED), Outcome.FAIL),
        (report(), Outcome.INCONCLUSIVE),
        (report(Status.SKIPPED, Status.SKIPPED), Outcome.INCONCLUSIVE),
        (report(Status.PASSED, complete=False), Outcome.INCONCLUSIVE),
        (report(Status.PASSED, problems=("exit 3",)), Outcome.INCONCLUSIVE),
        (report(Status.FAILED, complete=False, problems=("cut off",)), Outcome.FAIL),
    ],
)
def test_each_kind_of_report(given_: SuiteReport, outcome: Outcome) -> None:
    verdict = judge(given_)
    assert verdict.outcome is outcome and verdict.gate == "tests.unit"
    assert verdict.metrics["cases"] == len(given_.attempts)


def test_the_reasons_hold_numbers_the_first_bad_case_and_every_problem() -> None:
    bad = attempt("b", Status.FAILED, message="assert 1 == 2\nmore")
    verdict = judge(SuiteReport(suite="unit", attempts=(attempt("a", Status.PASSED), bad), seconds=1.25))
    assert verdict.reasons == ("1 passed, 1 failed in 1.2 s", "first bad: t.py::b: assert 1 == 2")
    verdict = judge(report(Status.PASSED, complete=False))
    assert verdict.reasons[-1] == "the report is cut off"
    assert judge(report(Status.PASSED, problems=("one", "two"))).reasons[-2:] == ("one", "two")


def test_passed_on_retry_is_pass_and_is_told() -> None:
    attempts = (attempt("a", Status.FAILED, 1), attempt("a", Status.PASSED, 2))
    verdict = judge(SuiteReport(suite="unit", attempts=attempts))
    assert verdict.outcome is Outcome.PASS and verdict.metrics["flaky"] == 1
    assert "1 passed only on retry, the first: t.py::a" in verdict.reasons


def test_the_last_attempt_counts_in_whatever_order_they_came() -> None:
    attempts = (attempt("a", Status.FAILED, 3), attempt("a", Status.PASSED, 1), attempt("a", Status.PASSED, 2))
    assert judge(SuiteReport(suite="unit", attempts=attempts)).outcome is Outcome.FAIL


ATTEMPTS = st.lists(
    st.builds(attempt, st.sampled_from("abc"), st.sampled_from(list(Status)), st.integers(1, 3)), max_size=12
)


@given(ATTEMPTS, st.booleans(), st.lists(st.just("a problem"), max_size=1))
def test_pass_means_all_of_it(attempts: Sequence[Attempt], complete: bool, problems: list[str]) -> None:
    given_ = SuiteReport(suite="unit", attempts=tuple(attempts), complete=complete, problems=tuple(problems))
    verdict = judge(given_)
    last = final(attempts).values()
    if verdict.outcome is Outcome.PASS:
        assert complete and not problems and not any(a.status.bad for a in last)
        assert any(a.status in (Status.PASSED, Status.XFAILED) for a in last)
    assert (verdict.outcome is Outcome.FAIL) is any(a.status.bad for a in last)
    assert sum(verdict.metrics[status.value] for status in Status) == len(last)


@given(ATTEMPTS)
def test_a_bad_case_more_never_improves_the_outcome(attempts: Sequence[Attempt]) -> None:
    worse = (*attempts, attempt("another", Status.FAILED))
    assert judge(SuiteReport(suite="unit", attempts=worse)).outcome is Outcome.FAIL


def test_a_case_prints_as_pytest_takes_it() -> None:
    assert str(CaseId(suite="s", file="a/t.py", classname="A::B", name="c[1]")) == "a/t.py::A::B::c[1]"


def test_a_repetition_decides_nothing_and_shows_a_flake() -> None:
    repeats = [
        attempt("a", status, number).model_copy(update={"repeat": True})
        for number, status in ((2, Status.PASSED), (3, Status.FAILED))
    ]
    verdict = judge(SuiteReport(suite="unit", attempts=(attempt("a", Status.PASSED), *repeats)))
    assert verdict.outcome is Outcome.PASS and verdict.metrics["flaky"] == 1 and verdict.metrics["passed"] == 1
    assert "1 passed and failed when repeated, the first: t.py::a" in verdict.reasons
    verdict = judge(SuiteReport(suite="unit", attempts=(attempt("a", Status.FAILED), repeats[0])))
    assert verdict.outcome is Outcome.FAIL
