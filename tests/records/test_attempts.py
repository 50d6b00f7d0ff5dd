"""Every attempt is kept once; a case's state is that of its last attempt, and a retry hides nothing."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import records
from domain.cases import Attempt, CaseId, Status
from domain.errors import Rejected
from records.write.attempt import OUTPUT_LIMIT
from tests.records.values import attempt


@pytest.fixture(autouse=True)
def _opened(database: str) -> None:
    records.open_run("r1", "checkout", "release")


def test_the_same_attempts_recorded_twice_are_there_once() -> None:
    given_ = [attempt("test_add"), attempt("test_remove", Status.FAILED)]
    records.record_attempts("r1", "tests.unit", given_)
    records.record_attempts("r1", "tests.unit", given_ + given_[:1])
    found = records.cases("r1").items
    assert [(case.name, case.status, case.attempts) for case in found] == [
        ("test_add", "passed", 1),
        ("test_remove", "failed", 1),
    ]


def test_a_case_that_passed_on_retry_says_so() -> None:
    records.record_attempts("r1", "tests.unit", [attempt("test_add", Status.FAILED), attempt("test_add", number=2)])
    (case,) = records.cases("r1").items
    assert (case.status, case.attempts, case.flaky) == ("passed", 2, True)
    assert [(a.number, a.status) for a in records.attempts("r1", case.id)] == [(1, "failed"), (2, "passed")]


def test_a_stage_done_again_hides_no_earlier_failure() -> None:
    records.record_attempts("r1", "tests.unit", [attempt("test_add", Status.FAILED)])
    records.record_attempts("r1", "tests.unit", [attempt("test_add", Status.PASSED)])
    (case,) = records.cases("r1").items
    assert (case.status, case.attempts, case.flaky) == ("passed", 2, True)


def test_cases_are_filtered_by_the_status_of_their_last_attempt() -> None:
    records.record_attempts("r1", "tests.unit", [attempt("test_add", Status.FAILED), attempt("test_add", number=2)])
    records.record_attempts("r1", "tests.unit", [attempt("test_pay", Status.CRASHED)])
    assert [case.name for case in records.cases("r1", "crashed").items] == ["test_pay"]
    assert [case.name for case in records.cases("r1", "failed").items] == []


def test_the_same_case_in_two_stages_or_runs_is_two_results_of_one_case() -> None:
    records.open_run("r2", "checkout", "release")
    for run, stage in (("r1", "tests.unit"), ("r1", "tests.smoke"), ("r2", "tests.unit")):
        records.record_attempts(run, stage, [attempt("test_add")])
    assert [case.stage for case in records.cases("r1").items] == ["tests.smoke", "tests.unit"]
    assert len(records.cases("r1", stage="tests.smoke").items) == 1
    assert {case.id for case in records.cases("r1").items} == {case.id for case in records.cases("r2").items}


def test_pages_hold_every_case_once() -> None:
    records.record_attempts("r1", "tests.unit", [attempt(f"test_{n:02}") for n in range(11)])
    seen: list[str] = []
    after: str | None = None
    while True:
        page = records.cases("r1", limit=4, after=after)
        seen += [case.name for case in page.items]
        if page.next is None:
            break
        after = page.next
    assert seen == [f"test_{n:02}" for n in range(11)]


def test_attempts_of_no_run_are_refused() -> None:
    with pytest.raises(Rejected, match="no such run"):
        records.record_attempts("nowhere", "tests.unit", [attempt("test_add")])


def test_no_attempts_are_no_trouble() -> None:
    records.record_attempts("r1", "tests.unit", [])
    assert records.cases("r1").items == []


def test_a_flood_of_output_keeps_its_beginning_and_its_end() -> None:
    flood = "begin" + "x" * (3 * OUTPUT_LIMIT) + "end"
    case = CaseId(suite="unit", name="test_loud")
    records.record_attempts("r1", "tests.unit", [Attempt(case=case, status=Status.FAILED, output=flood)])
    output = records.cases("r1").items[0].output
    assert output.startswith("begin") and output.endswith("end") and "characters left out" in output
    assert len(output) < OUTPUT_LIMIT + 100


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=())), min_size=1, max_size=5, unique=True))
def test_any_text_that_a_test_prints_can_be_kept(texts: list[str]) -> None:
    """NUL, lone surrogates, right-to-left marks: one odd byte must not cost a batch of results."""
    run = f"run of {len(records.runs(500).items)}"
    records.open_run(run, "checkout", "release")
    records.record_attempts(
        run,
        "tests.unit",
        [Attempt(case=CaseId(suite="s", name=text), status=Status.FAILED, message=text, output=text) for text in texts],
    )
    assert len(records.cases(run, "failed").items) == len(texts)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), float("-inf")])
def test_a_time_that_is_no_number_costs_no_batch(seconds: float) -> None:
    records.record_attempts("r1", "tests.unit", [attempt("test_add", seconds=seconds), attempt("test_pay")])
    assert [(case.name, case.seconds) for case in records.cases("r1").items] == [("test_add", 0.0), ("test_pay", 0.25)]


def test_when_and_where_an_attempt_was_made_is_kept() -> None:
    made = attempt("test_add").model_copy(update={"started": 1_795_616_460.25, "worker": "gw1-2"})
    records.record_attempts("r1", "tests.unit", [made])
    (case,) = records.cases("r1").items
    (row,) = records.attempts("r1", case.id)
    assert (case.started, case.worker, case.reused) == (1_795_616_460.25, "gw1-2", False)
    assert (row.started, row.worker, row.reused) == (1_795_616_460.25, "gw1-2", False)


def _quoted(name: str, **changes: object) -> Attempt:
    return attempt(name).model_copy(update={"reused": True, **changes})


def test_a_reused_result_is_shown_as_reused_and_is_no_execution() -> None:
    records.record_attempts("r1", "tests.unit", [_quoted("test_add")])
    records.record_attempts("r1", "tests.unit", [_quoted("test_add")])
    (case,) = records.cases("r1").items
    assert (case.status, case.reused, case.attempts, case.flaky) == ("passed", True, 0, False)
    assert [row.reused for row in records.attempts("r1", case.id)] == [True]


def test_a_quote_hides_nothing_that_was_executed() -> None:
    records.record_attempts("r1", "tests.unit", [attempt("test_add", Status.FAILED)])
    records.record_attempts("r1", "tests.unit", [_quoted("test_add", number=2)])
    (case,) = records.cases("r1").items
    assert (case.status, case.reused, case.attempts, case.flaky) == ("failed", False, 1, False)
    assert len(records.attempts("r1", case.id)) == 2


def test_reused_results_are_in_no_duration() -> None:
    """Nor does a run that only quoted push one that executed out of the history."""
    for run, seconds in (("h1", 2.0), ("h2", 4.0)):
        records.open_run(run, "checkout", "release")
        records.record_attempts(run, "tests.unit", [attempt("test_add", seconds=seconds)])
    for run in ("h3", "h4", "h5"):
        records.open_run(run, "checkout", "release")
        records.record_attempts(run, "tests.unit", [_quoted("test_add", seconds=99.0), _quoted("test_pay")])
    assert records.durations("checkout", "unit", runs=2) == {attempt("test_add").case: pytest.approx(10 / 3)}


def test_expected_durations_are_a_mean_over_the_last_runs_in_which_the_newest_counts_most() -> None:
    for number, seconds in enumerate((9.0, 1.0, 3.0)):
        records.open_run(f"h{number}", "checkout", "release")
        records.record_attempts(f"h{number}", "tests.unit", [attempt("test_add", seconds=seconds)])
    assert records.durations("checkout", "unit", runs=2) == {attempt("test_add").case: pytest.approx(7 / 3)}
    assert records.durations("checkout", "another") == {}
    assert records.durations("another", "unit") == {}
