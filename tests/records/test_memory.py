"""What the records remember of cases: histories, what fails most and why, trends, the slowest, the quarantine."""

from __future__ import annotations

import pytest

import records
from domain.cases import Attempt, CaseId, Status, SuiteReport, judge
from domain.errors import Rejected
from domain.flakiness import State, assess
from domain.quarantine import Entry
from records.read.quarantine import Held
from tests.records.values import attempt

pytestmark = pytest.mark.usefixtures("database")
DAY = 86400.0


def ran(run: str, content: str, *attempts: Attempt, project: str = "checkout", seconds: float = 1.0) -> None:
    """A finished run of one suite."""
    records.open_run(run, project, "execution", source_digest=content)
    records.record_attempts(run, "tests.unit", attempts)
    verdict = judge(SuiteReport(suite="unit", attempts=attempts, seconds=seconds))
    records.record_stage(run, "tests.unit", verdict, started=1.0, ended=2.0, inputs_digest=content)


def fails(name: str, message: str = "boom", number: int = 1) -> Attempt:
    return attempt(name, Status.FAILED, number=number).model_copy(update={"message": message})


def test_a_history_is_every_attempt_with_its_content_and_a_flake_is_seen_in_it() -> None:
    for number in range(12):
        bad = number in (3, 7)
        ran(f"r{number}", "sha256:a", fails("test_race") if bad else attempt("test_race"), attempt("test_calm"))
    (suspect,) = records.suspects("checkout")
    assert suspect.case == attempt("test_race").case
    seen = records.histories("checkout", [suspect.id])[suspect.id]
    assert len(seen) == 12 and {one.content for one in seen} == {"sha256:a"}
    found = assess(seen)
    assert (found.state, found.flakes, found.trials) == (State.FLAKY, 2, 12)
    assert records.suspects("checkout", "another") == [] and records.suspects("nobody") == []
    assert records.histories("nobody", [suspect.id]) == {suspect.id: []}


def test_a_quoted_result_is_no_evidence() -> None:
    ran("r1", "a", fails("test_add").model_copy(update={"reused": True}))
    assert records.suspects("checkout") == [] and records.failing("checkout") == []


def test_only_the_latest_runs_count() -> None:
    ran("r1", "a", fails("test_old"))
    ran("r2", "a", fails("test_new"))
    assert [one.case.name for one in records.suspects("checkout", runs=1)] == ["test_new"]


def test_a_run_in_which_a_third_failed_is_a_storm() -> None:
    ran("r1", "a", *(fails(f"test_{n}") for n in range(6)), attempt("test_calm"))
    ran("r2", "a", *(attempt(f"test_{n}") for n in range(6)), attempt("test_calm"))
    key = records.suspects("checkout")[0].id
    assert [one.storm for one in records.histories("checkout", [key])[key]] == [True, False]


def test_retries_do_not_hide_a_storm() -> None:
    ran("r1", "a", *(one for n in range(6) for one in (fails(f"test_{n}"), attempt(f"test_{n}", number=2))))
    key = records.suspects("checkout")[0].id
    assert {one.storm for one in records.histories("checkout", [key])[key]} == {True}


def test_what_fails_most_comes_first_and_retries_of_a_run_count_as_one() -> None:
    ran("r1", "a", fails("test_a"), fails("test_a", number=2), fails("test_b"))
    ran("r2", "b", fails("test_b"))
    found = records.failing("checkout")
    assert [(one.case.name, one.runs, one.attempts) for one in found] == [("test_b", 2, 2), ("test_a", 1, 2)]
    assert found[0].first <= found[0].last and found[0].first.tzinfo is not None
    assert [one.case.name for one in records.failing("checkout", limit=1)] == ["test_b"]


def test_failures_are_grouped_by_what_they_say() -> None:
    ran("r1", "a", fails("test_a", "timeout after 3 s"), fails("test_b", "timeout after 17 s"), fails("test_c"))
    big, small = records.failure_clusters("checkout").clusters
    assert (big.count, big.cases, big.pattern) == (2, 2, "timeout after <number> s")
    assert (small.count, small.example) == (1, "boom")
    assert records.failure_clusters("checkout", run_id="r2").failures == 0
    assert records.failure_clusters("checkout", "unit", newest=1).failures == 1


def test_a_trend_is_what_the_verdicts_counted_newest_first() -> None:
    ran("r1", "a", attempt("test_a"), seconds=3.0)
    ran("r2", "b", fails("test_a"), attempt("test_a", number=2), seconds=4.0)
    newest, oldest = records.trend("checkout")
    assert (newest.run, newest.outcome, newest.metrics["flaky"], newest.content) == ("r2", "PASS", 1.0, "b")
    assert (oldest.run, oldest.metrics["seconds"], oldest.reused) == ("r1", 3.0, False)
    assert records.trend("checkout", "another") == [] and len(records.trend("checkout", limit=1)) == 1


def test_the_slowest_are_those_of_the_latest_three_runs() -> None:
    for number, seconds in enumerate((90.0, 1.0, 2.0, 3.0)):
        ran(f"r{number}", "a", attempt("test_slow", seconds=seconds), attempt("test_quick", seconds=0.1))
    slow, quick = records.slowest("checkout")
    assert (slow.case.name, slow.longest, slow.attempts) == ("test_slow", 3.0, 3) and slow.mean == pytest.approx(2.0)
    assert quick.case.name == "test_quick" and len(records.slowest("checkout", limit=1)) == 1


def test_cases_are_found_as_a_person_names_them() -> None:
    odd = CaseId(suite="unit", file="t.py", name="test_x[a::b]")
    ran("r1", "a", attempt("test_add"), attempt("test_add[1]"), Attempt(case=odd, status=Status.PASSED))
    ids = {
        text: [one.case.name for one in records.find_cases("checkout", text)]
        for text in ("test_add", "tests/test_cart.py::TestCart::test_add", "t.py::test_x[a::b]", "nothing")
    }
    assert list(ids.values()) == [["test_add"], ["test_add"], ["test_x[a::b]"], []]
    assert records.counted("checkout") == {"unit": 3}
    assert records.known_among("checkout", [odd, CaseId(suite="unit", name="new")]) == {odd}


def test_a_repetition_that_failed_makes_a_case_flaky_and_not_bad() -> None:
    ran("r1", "a", attempt("test_new"), fails("test_new", number=2).model_copy(update={"repeat": True}))
    (found,) = records.cases("r1").items
    assert (found.status, found.flaky, found.attempts) == ("passed", True, 2)


def entry(name: str = "test_race", until: float = 4e9, **more: object) -> Entry:
    given = {"case": attempt(name).case, "owner": "ada", "reason": "races", "added": 100.0, "until": until}
    return Entry.model_validate(given | more)


def held() -> list[Held]:
    return list(records.quarantines("checkout"))


def test_a_case_is_set_aside_and_taken_back_and_both_are_in_the_audit_log() -> None:
    ran("r1", "a", attempt("test_race"))
    records.quarantine("checkout", entry(issue="#7"), "eve")
    (stay,) = held()
    assert stay.entry == entry(issue="#7") and stay.holds(200.0) and not stay.holds(4e9)
    assert records.release_from_quarantine("checkout", stay.entry, "repaired", "eve")
    assert not records.release_from_quarantine("checkout", stay.entry, "repaired", "eve")
    assert held() == []
    (gone,) = records.quarantines("checkout", all=True)
    assert gone.released_why == "repaired" and not gone.holds(200.0)
    said = [(one.actor, one.action, one.subject) for one in records.audit_entries().items]
    subject = "checkout tests/test_cart.py::TestCart::test_race"
    assert said == [("eve", "quarantine.release", subject), ("eve", "quarantine.add", subject)]
    assert records.verify_chain().whole


def test_an_end_that_has_come_ends_it_without_anybody() -> None:
    ran("r1", "a", attempt("test_race"))
    records.quarantine("checkout", entry(until=200.0), "eve")
    assert held() == [] and len(records.quarantines("checkout", all=True)) == 1


def test_set_aside_again_the_last_word_counts() -> None:
    ran("r1", "a", attempt("test_race"))
    for owner in ("ada", "bob"):
        records.quarantine("checkout", entry(owner=owner), "eve")
    assert [one.entry.owner for one in held()] == ["bob"]
    assert [one.entry.owner for one in records.quarantines("checkout", suite="unit")] == ["bob"]
    assert not records.quarantines("checkout", suite="another")


def test_a_case_that_never_ran_cannot_be_set_aside_and_nothing_is_written() -> None:
    ran("r1", "a", attempt("test_race"))
    with pytest.raises(Rejected, match="no run of checkout ever recorded"):
        records.quarantine("checkout", entry("test_typo"), "eve")
    assert not records.audit_entries().items
