"""The quick way of composing the engine's command says what the runner says; what a suite leaves is never lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domain.cases import Attempt, CaseId, Status, SuiteReport
from domain.spec import Suite
from tasks.suite_result import bad, counts, with_reused, with_round
from tasks.suite_run import Job, composed, light

SUITES: dict[str, dict[str, Any]] = {
    "nothing said": {},
    "everything said": {
        "paths": ["tests", "more"],
        "args": ["-q", "-k", "a b"],
        "environment": {"MODE": "test"},
        "workers": 3,
        "start": "process",
        "collect": "once",
        "group_by": "file",
        "case_timeout": 12.5,
        "retries": 2,
    },
}


@pytest.mark.parametrize("selection", [(), ("tests/a.py",), ("tests/a.py::test_x[1]", "tests/a.py::test_y", "b.py")])
@pytest.mark.parametrize("impact", [False, True])
@pytest.mark.parametrize("name", SUITES)
def test_both_ways_compose_the_same_command(
    name: str, impact: bool, selection: tuple[str, ...], tmp_path: Path
) -> None:
    suite = Suite.model_validate(SUITES[name]).model_dump(mode="json")
    durations = str(tmp_path / "times.json") if impact else None
    job = Job(suite, str(tmp_path), str(tmp_path / "out"), "/usr/bin/python3", {}, selection, durations, impact)
    quick, full = light(job), composed(job)
    assert quick is not None
    assert list(quick.argv) == list(full.argv)
    assert quick._replace(argv=[], folders=[]) == full._replace(argv=[], folders=[])


def test_other_frameworks_go_through_their_runner(tmp_path: Path) -> None:
    suite = Suite(framework="jest").model_dump(mode="json")
    assert light(Job(suite, str(tmp_path), str(tmp_path), "python3", {})) is None


def case(name: str) -> CaseId:
    return CaseId(suite="unit", file="a.py", name=name)


def report(*attempts: tuple[str, Status, int], **more: Any) -> SuiteReport:
    given = tuple(Attempt(case=case(name), status=status, number=number) for name, status, number in attempts)
    return SuiteReport(suite="unit", attempts=given, **more)


def test_a_round_adds_attempts_of_what_was_bad_and_nothing_else() -> None:
    first = report(("x", Status.FAILED, 1), ("x", Status.FAILED, 2), ("y", Status.PASSED, 1))
    both = with_round(first, report(("x", Status.PASSED, 1), ("y", Status.FAILED, 1)))
    assert [(a.case.name, a.number) for a in both.attempts] == [("x", 1), ("x", 2), ("y", 1), ("x", 3)]
    assert not bad(both) and counts([both])["flaky"] == 1 and counts([both])["passed"] == 2


def test_a_round_that_cannot_be_believed_makes_the_whole_so() -> None:
    first = report(("x", Status.FAILED, 1))
    both = with_round(first, report(("x", Status.PASSED, 1), complete=False, problems=("killed",)))
    assert not both.complete and both.problems == ("killed",)


def test_what_ran_counts_before_what_is_quoted() -> None:
    quoted = [Attempt(case=case(name), status=Status.PASSED, reused=True) for name in ("x", "y")]
    both = with_reused(report(("x", Status.FAILED, 1)), quoted)
    assert counts([both]) == {name: 0 for name in counts([])} | {"failed": 1, "passed": 1, "reused": 1}
