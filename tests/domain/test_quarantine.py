"""A quarantine keeps a known flake from stopping everybody, and hides nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cases import Attempt, CaseId, Status, SuiteReport, judge
from domain.errors import SpecError
from domain.flakiness import Assessment, Seen, State, assess
from domain.quarantine import Entry, checked, proved_stable, room, set_aside, suggested
from domain.spec import Quarantine
from domain.verdict import Outcome, Verdict

DAY = 86400.0
NOW = 100 * DAY
RULE = Quarantine()


def case(name: str) -> CaseId:
    return CaseId(suite="unit", file="t.py", name=name)


def entry(name: str, until: float = NOW + DAY, **more: object) -> Entry:
    given_ = {"case": case(name), "owner": "ada", "reason": "races", "added": 90 * DAY, "until": until}
    return Entry.model_validate(given_ | more)


def seen(letters: str) -> list[Seen]:
    """A run a letter: `.` passed, `F` failed; a new content every tenth."""
    status = {".": Status.PASSED, "F": Status.FAILED}
    return [Seen(f"r{n}", f"c{n // 10}", 91 * DAY + n, status[letter]) for n, letter in enumerate(letters)]


def verdict(
    statuses: dict[str, Status], entries: list[Entry], histories: dict[str, str], *, cases: int = 100, **more: object
) -> Verdict:
    attempts = tuple(Attempt(case=case(name), status=status) for name, status in statuses.items())
    report = SuiteReport.model_validate({"suite": "unit", "attempts": attempts} | more)
    known = {case(name): seen(letters) for name, letters in histories.items()}
    return judge(report, quarantined=set_aside(report, entries, known, RULE, cases=cases, now=NOW, content="new"))


FLAKY = "...F......" * 4
ONE_BAD = {"a": Status.FAILED, "b": Status.PASSED, "c": Status.PASSED}


def test_a_known_flake_does_not_fail_the_suite_and_is_told_with_its_owner_and_end() -> None:
    said = verdict(ONE_BAD, [entry("a", issue="#7")], {"a": FLAKY})
    assert said.outcome is Outcome.PASS and said.metrics["quarantined"] == 1 and said.metrics["failed"] == 1
    assert "t.py::a is bad and set aside until 1970-04-12 by ada, #7" in said.reasons


def test_any_other_failure_still_fails() -> None:
    said = verdict(ONE_BAD | {"d": Status.CRASHED}, [entry("a")], {"a": FLAKY})
    assert said.outcome is Outcome.FAIL and said.reasons[-1] == "first bad: t.py::d: crashed"


def test_what_fails_every_time_counts_all_the_same() -> None:
    said = verdict(ONE_BAD, [entry("a")], {"a": "." * 40 + "FFF"})
    assert said.outcome is Outcome.FAIL
    assert "counts all the same: failed 4 of 4 since revision" in said.reasons[1]
    assert verdict(ONE_BAD, [entry("a")], {}).outcome is Outcome.FAIL  # it never passed


def test_an_end_that_has_come_ends_it() -> None:
    assert verdict(ONE_BAD, [entry("a", until=NOW)], {"a": FLAKY}).outcome is Outcome.FAIL


def test_where_most_cases_are_bad_no_quarantine_applies() -> None:
    all_bad = {name: Status.ERROR for name in "abcd"}
    said = verdict(all_bad, [entry("a")], {"a": FLAKY})
    assert said.outcome is Outcome.FAIL and "4 of 4 cases are bad: no quarantine applies to that" in said.reasons
    assert verdict({"a": Status.FAILED}, [entry("a")], {"a": FLAKY}).outcome is Outcome.INCONCLUSIVE


def test_over_the_cap_it_is_inconclusive() -> None:
    many = [entry(name) for name in "abcdef"]
    passing = {f"p{n}": Status.PASSED for n in range(10)}
    said = verdict(passing | {"a": Status.FAILED}, many, {"a": FLAKY})
    assert said.outcome is Outcome.INCONCLUSIVE
    assert said.reasons[-1] == "6 of 100 cases are in quarantine, and at most 5 may be"
    assert verdict(passing | {"a": Status.FAILED}, many, {"a": FLAKY}, cases=120).outcome is Outcome.PASS
    assert verdict(passing, many, {"a": FLAKY}).outcome is Outcome.PASS  # nothing was set aside


def test_a_report_that_is_cut_off_stays_inconclusive() -> None:
    assert verdict(ONE_BAD, [entry("a")], {"a": FLAKY}, complete=False).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(("cases", "share", "most"), [(100, 0.05, 5), (3, 0.05, 1), (100, 0.0, 0), (40, 0.05, 2)])
def test_the_cap_is_a_share_but_one_at_least(cases: int, share: float, most: int) -> None:
    assert room(cases, Quarantine(max_share=share)) == most


@pytest.mark.parametrize(
    ("more", "held", "found", "says"),
    [
        ({"owner": " "}, 0, State.FLAKY, "by nobody"),
        ({"until": 90 * DAY}, 0, State.FLAKY, "cannot be set aside until"),
        ({"until": 300 * DAY}, 0, State.FLAKY, "cannot be set aside until"),
        ({}, 5, State.FLAKY, "5 of 100 cases of unit are set aside"),
        ({}, 0, State.BROKEN, "fails every time"),
    ],
)
def test_what_stands_against_an_entry_is_told(more: dict[str, object], held: int, found: State, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        checked(entry("a", **more), held, 100, RULE, Assessment(state=found, reasons=("numbers",)))  # type: ignore
    good = entry("a")
    assert checked(good, 4, 100, RULE, Assessment(state=State.FLAKY, reasons=("numbers",))) is good


def test_a_case_leaves_when_it_proved_stable() -> None:
    old = [one._replace(at=one.at - 20 * DAY, content="old", run=f"o{one.run}") for one in seen("..F." * 5)]
    assert proved_stable(entry("a"), seen("." * 30), RULE) == "passed 30 in a row at 3 revisions since 1970-04-01"
    assert proved_stable(entry("a"), old + seen("." * 30), RULE)
    assert not proved_stable(entry("a"), seen("." * 19), RULE)
    assert not proved_stable(entry("a"), seen("." * 29 + "F"), RULE)
    assert not proved_stable(entry("a"), [one._replace(content="same") for one in seen("." * 30)], RULE)


def test_a_rare_flake_needs_more_passes_than_a_frequent_one() -> None:
    rare = [one._replace(at=one.at - 20 * DAY, run=f"o{one.run}", content="old") for one in seen(("." * 49 + "F") * 3)]
    assert not proved_stable(entry("a"), rare + seen("." * 60), RULE)
    assert proved_stable(entry("a"), rare + seen("." * 300), RULE)


def test_suggestions_are_the_surest_flakes_that_there_is_room_for() -> None:
    found = {case("mild"): assess(seen("F........." * 4)), case("bad"): assess(seen("F.F......." * 4))}
    found[case("fine")] = assess(seen("." * 40))
    assert suggested(found, [], {"unit": 100}, RULE) == (case("bad"), case("mild"))
    assert suggested(found, [], {"unit": 10}, RULE) == (case("bad"),)
    assert suggested(found, [entry("bad")], {"unit": 10}, RULE) == ()


NAMES = "abcdef"
STATUSES = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(list(Status)), max_size=6)
HISTORIES = st.dictionaries(st.sampled_from(NAMES), st.text(".F", max_size=30), max_size=6)


@given(STATUSES, HISTORIES, st.sets(st.sampled_from(NAMES)), st.integers(1, 200))
def test_a_quarantine_improves_only_failures_of_its_own_cases_that_ever_passed(
    statuses: dict[str, Status], histories: dict[str, str], held: set[str], cases: int
) -> None:
    without = verdict(statuses, [], histories, cases=cases)
    said = verdict(statuses, [entry(name) for name in sorted(held)], histories, cases=cases)
    bad = {name for name, status in statuses.items() if status.bad}
    assert said.metrics | {"quarantined": 0.0} == without.metrics
    if said.outcome is not without.outcome:
        assert without.outcome is Outcome.FAIL and bad <= held
        assert all("." in histories.get(name, "") for name in bad)
        assert len(said.reasons) >= len(without.reasons)
    if said.outcome is Outcome.PASS and bad:
        assert len(held) <= room(max(cases, len(statuses)), RULE)
