"""The numbers of a run and the lanes of its workers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.cases import Attempt, CaseId, Status, SuiteReport, final
from domain.tally import tally
from domain.timeline import RESOLUTION, timeline

STATUSES = st.sampled_from(Status)


def attempt(name: str, status: Status = Status.PASSED, suite: str = "unit", **more: object) -> Attempt:
    case = CaseId(suite=suite, file=str(more.pop("file", "t.py")), name=name)
    return Attempt.model_validate({"case": case, "status": status, **more})


@given(
    st.lists(st.tuples(st.sampled_from("abcde"), STATUSES, st.integers(1, 4)), max_size=30, unique_by=lambda r: r[::2])
)
def test_the_last_attempt_decides_and_none_is_lost(rows: list[tuple[str, Status, int]]) -> None:
    attempts = tuple(attempt(name, status, number=number) for name, status, number in rows)
    told = tally([SuiteReport(suite="unit", attempts=attempts)])
    assert {one.case: one.status for one in told.cases} == {c: a.status for c, a in final(attempts).items()}
    assert sorted(a.number for one in told.cases for a in one.attempts) == sorted(number for _, _, number in rows)
    assert sum(told.counts.values()) == len(told.cases) == sum(file.cases for file in told.files)
    assert not set(told.bad) & set(told.flaky)


def test_suites_are_kept_apart_and_shards_are_not() -> None:
    reports = [
        SuiteReport(suite="unit", attempts=(attempt("a"),), seconds=2, workers=2, problems=("odd",)),
        SuiteReport(suite="unit", attempts=(attempt("a"), attempt("b")), seconds=3, workers=2, deselected=4),
        SuiteReport(suite="api", attempts=(attempt("a", suite="api"),), complete=False),
    ]
    told = tally(reports)
    assert (told.suites, len(told.cases), told.seconds, told.workers, told.deselected) == (("unit", "api"), 3, 3, 5, 4)
    assert told.problems == ("unit: odd", "api: the report is cut off")


def test_the_worst_come_first_and_what_was_reused_is_not_slow() -> None:
    attempts = (
        attempt("a", Status.FAILED, seconds=1),
        attempt("b", Status.CRASHED),
        attempt("c", seconds=9, reused=True),
        attempt("d", seconds=2, file="u.py"),
    )
    told = tally([SuiteReport(suite="unit", attempts=attempts)])
    assert [one.case.name for one in told.bad] == ["b", "a"]
    assert [one.case.name for one in told.slowest(2)] == ["d", "a"]
    assert [(one.file, one.bad, one.seconds) for one in told.files] == [("t.py", 2, 1.0), ("u.py", 0, 2.0)]


@given(
    st.lists(
        st.tuples(st.floats(1, 1000), st.floats(0, 30), st.sampled_from(["gw0", "gw1", "gw10"]), STATUSES),
        min_size=1,
        max_size=200,
    )
)
def test_a_timeline_shows_every_case_once_within_its_bounds(rows: list[tuple[float, float, str, Status]]) -> None:
    attempts = tuple(
        attempt(str(n), status, started=at, seconds=took, worker=worker)
        for n, (at, took, worker, status) in enumerate(rows)
    )
    found = timeline(tally([SuiteReport(suite="unit", attempts=attempts)]))
    if found is None:
        assert all(took < 1e-6 for _, took, _, _ in rows)
        return
    bars = [bar for lane in found.lanes for bar in lane.bars]
    assert sum(bar.cases for bar in bars) == len(rows) == sum(lane.cases for lane in found.lanes)
    assert all(0 <= bar.begin <= bar.end <= found.seconds + 1e-6 for bar in bars)
    assert all(0 <= lane.busy <= 1 for lane in found.lanes)
    # A failure is never hidden among neighbours.
    assert any(bar.status.bad for bar in bars) == any(status.bad for *_, status in rows)


def test_twenty_thousand_tiny_cases_are_some_hundred_bars() -> None:
    attempts = tuple(attempt(str(n), started=1 + n / 1000, seconds=0.0009, worker="gw0") for n in range(20_000))
    found = timeline(tally([SuiteReport.model_construct(suite="unit", attempts=attempts)]))
    assert found is not None and len(found.lanes) == 1
    assert RESOLUTION / 4 < len(found.lanes[0].bars) < RESOLUTION * 2


def test_workers_are_in_order_and_what_overlaps_is_two_lanes() -> None:
    attempts = (
        attempt("a", started=10, seconds=5, worker="gw2"),
        attempt("b", started=11, seconds=5, worker="gw2"),
        attempt("c", started=10, seconds=1, worker="gw10"),
    )
    found = timeline(tally([SuiteReport(suite="unit", attempts=attempts)]))
    assert found is not None and found.began == 10 and found.seconds == 6
    assert [lane.name for lane in found.lanes] == ["gw2 (1)", "gw2 (2)", "gw10"]


def test_without_a_time_of_start_there_is_no_timeline() -> None:
    assert timeline(tally([SuiteReport(suite="unit", attempts=(attempt("a", seconds=1),))])) is None
