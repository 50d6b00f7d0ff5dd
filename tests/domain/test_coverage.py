"""Coverage is PASS only when it was measured and is enough; its reasons hold the numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.coverage import Change, FileCoverage, Measured, judge, missing_lines
from domain.spec import Coverage
from domain.verdict import Outcome


def file(path: str, executed: int, missing: int, branches: int = 0, taken: int = 0) -> FileCoverage:
    """Lines 1..executed are executed, the next ones are not."""
    lines = range(1, executed + missing + 1)
    return FileCoverage(
        path=path,
        executed=frozenset(lines[:executed]),
        missing=frozenset(lines[executed:]),
        branches=branches,
        branches_taken=taken,
    )


ALL = Measured(files=(file("a.py", 1204, 245), file("b.py", 0, 0)))


def test_too_little_fails_with_its_numbers() -> None:
    verdict = judge("unit", Coverage(fail_under=85), ALL)
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reasons == ("coverage 83.0 % < 85 % (1,204 of 1,449 lines; 2 files)",)
    assert verdict.metrics["coverage"] == pytest.approx(0.8309, abs=1e-4)


def test_enough_passes_and_no_limit_only_tells() -> None:
    assert judge("unit", Coverage(fail_under=83), ALL).outcome is Outcome.PASS
    assert judge("unit", Coverage(), ALL).reasons == ("coverage 83.0 % (1,204 of 1,449 lines; 2 files)",)


def test_branches_count_as_lines_do() -> None:
    verdict = judge("unit", Coverage(fail_under=75), Measured(files=(file("a.py", 8, 2, branches=10, taken=6),)))
    assert verdict.reasons == ("coverage 70.0 % < 75 % (8 of 10 lines, 6 of 10 branches; 1 files)",)


@given(st.integers(0, 2000), st.integers(0, 2000), st.floats(0, 100))
def test_a_share_is_never_rounded_up(executed: int, missing: int, limit: float) -> None:
    if not executed + missing:
        return
    verdict = judge("unit", Coverage(fail_under=limit), Measured(files=(file("a.py", executed, missing),)))
    enough = executed / (executed + missing) * 100 >= limit
    assert verdict.outcome is (Outcome.PASS if enough else Outcome.FAIL)
    told = float(verdict.reasons[0].split()[1])
    assert told <= executed / (executed + missing) * 100 + 1e-6


@pytest.mark.parametrize(
    ("measured", "says"),
    [
        (Measured(), "no line of the project was measured"),
        (Measured(problems=("shard 2 of 3 left no coverage data",), files=ALL.files), "shard 2 of 3"),
    ],
)
def test_what_was_not_measured_is_not_enough(measured: Measured, says: str) -> None:
    verdict = judge("unit", Coverage(fail_under=0), measured)
    assert verdict.outcome is Outcome.INCONCLUSIVE and says in verdict.reasons[0]


def change(**lines: set[int]) -> Change:
    return Change(base="abc", lines={name.replace("_", "."): frozenset(found) for name, found in lines.items()})


def test_the_change_is_held_against_its_own_limit_and_the_least_covered_files_are_named() -> None:
    measured = Measured(files=(file("a.py", 10, 10), file("b.py", 20, 0), file("c.py", 0, 5)))
    wanted = Coverage(changed_fail_under=80)
    verdict = judge("unit", wanted, measured, change(a_py={9, 10, 11, 99}, b_py={1, 2}, c_py={1, 2, 3}, d_py={4}))
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reasons[1:] == (
        "coverage of the change 50.0 % < 80 % (4 of 8 changed lines since abc; 3 files)",
        "least covered: c.py 0 of 3, a.py 2 of 3",
    )
    assert verdict.metrics["changed_coverage"] == 0.5


def test_a_change_without_a_line_that_can_be_executed_passes_and_says_so() -> None:
    verdict = judge("unit", Coverage(changed_fail_under=100), ALL, change(README_md={1, 2}))
    assert verdict.outcome is Outcome.PASS and "no line that can be executed" in verdict.reasons[1]


@pytest.mark.parametrize("unknown", [None, Change(problem="the project is not in a git repository")])
def test_a_change_that_is_not_known_is_inconclusive(unknown: Change | None) -> None:
    verdict = judge("unit", Coverage(changed_fail_under=1), ALL, unknown)
    assert verdict.outcome is Outcome.INCONCLUSIVE and "not known" in verdict.reasons[1]


def test_too_little_in_all_is_fail_even_where_the_change_is_not_known() -> None:
    verdict = judge("unit", Coverage(fail_under=99, changed_fail_under=1), ALL, Change(problem="x"))
    assert verdict.outcome is Outcome.FAIL


def test_changed_lines_that_nothing_executes() -> None:
    assert missing_lines(Measured(files=(file("a.py", 2, 2),)), {"a.py": frozenset({1, 3, 9})}) == {"a.py": [3]}
