"""Several runs over one memory, and several suites in one project: nothing is mixed."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.cases import CaseId, SuiteReport
from domain.merging import merged
from domain.plan_chosen import plan_chosen
from tasks import impact
from tasks.impact_files import below
from tasks.impact_parts import Part, unfinished
from tests.tasks.impact_project import Project, names


def test_what_another_run_took_in_meanwhile_is_not_mixed_with_what_this_one_saw(tmp_path: Path) -> None:
    files = {"shop.py": "def one(): return 1\ndef two(): return 2\n"}
    files["test_shop.py"] = "import shop\ndef test_one(): shop.one()\ndef test_two(): shop.two()\n"
    project = Project.made(tmp_path, files)
    project.run()
    project.change("shop.py", "return 1", "return 3")
    late = project.plan()
    assert project.go(late) == {"test_shop.py::test_one": "passed"}
    (tmp_path / "out").rename(tmp_path / "late")
    project.change("shop.py", "return 2", "raise ValueError")
    project.run()
    assert impact.absorb(tmp_path / "late", late).recorded == 0
    # The other run's: test_two failed, and of test_one that it passes with what is there now.
    assert names(project.plan()) == {"test_two"}


def test_a_test_file_that_came_newly_runs_in_the_suites_that_would_come_to_it(tmp_path: Path) -> None:
    project = Project.made(tmp_path, {"unit/test_a.py": "def test_a(): pass\n"}, words=("unit",))
    project.run()
    project.change("unit/test_a.py", "pass", "pass  # still")
    for folder in ("unit", "slow"):
        (project.root / folder).mkdir(exist_ok=True)
        (project.root / folder / "test_new.py").write_text("def test_new(): pass\n")
    planned = impact.plan(project.root, project.store, impact.conditions(Path(project.python)), paths=["unit"])
    assert planned.run == ("unit/test_new.py",)
    assert set(project.plan().run or ()) == {"unit/test_new.py", "slow/test_new.py"}


@pytest.mark.parametrize(
    ("paths", "there"),
    [
        ([], True),
        (["tests"], True),
        (["./tests/"], True),
        (["tests/unit/test_a.py::test_one"], True),
        (["te*"], True),
        (["."], True),
        (["../elsewhere"], True),
        (["tests/slow", "other"], False),
        (["test"], False),
    ],
)
def test_a_file_is_a_suites_own_where_pytest_would_come_to_it(paths: list[str], there: bool) -> None:
    assert below("tests/unit/test_a.py", paths) is there


@pytest.mark.parametrize(("args", "paths"), [(["-q"], ["tests"]), (["-k", "fast"], ["."]), (["tests/more"], ["."])])
def test_a_word_among_the_arguments_may_be_a_path(args: list[str], paths: list[str]) -> None:
    assert impact.looks_at(args, ["tests"]) == paths


def test_of_a_part_that_died_its_own_files_run_again() -> None:
    rest, named, other = Part(None), Part(None, ("a.py", "b.py::B")), Part(None, ("c.py",))
    assert unfinished([rest, named, other], []) == []
    assert unfinished([rest, named, other], [named]) == ["a.py", "b.py"]
    assert unfinished([rest, named, other], [rest]) is None
    assert unfinished([named, other], [named, other]) is None


def test_what_a_change_can_affect_is_divided_by_time_and_a_shard_is_worth_its_start() -> None:
    times = {CaseId(suite="s", file=f"{f}.py", name=f"test_{n}[x]", classname="T"): 3.0 for f in "ab" for n in "123"}
    words = [str(case) for case in times]
    plan = plan_chosen("s", 4, words, times, divides=False)
    assert [(len(shard.selection), shard.seconds, shard.cases) for shard in plan.shards] == [(3, 9.0, 3), (3, 9.0, 3)]
    assert len(plan_chosen("s", 4, words[:1], times, divides=True).shards) == 1
    assert plan_chosen("s", 4, [], times, divides=True).shards == ()
    (whole,) = plan_chosen("s", 1, ["a.py"], times, divides=True).shards
    assert (whole.seconds, whole.cases) == (9.0, 3)


def test_a_shard_may_report_each_case_that_it_was_told_by_its_full_name() -> None:
    case = CaseId(suite="s", file="a.py", classname="T::Inner", name="test_one[x]")
    plan = plan_chosen("s", 1, [str(case)], {}, divides=True)
    from domain.cases import Attempt, Status

    def said(name: str) -> SuiteReport:
        attempt = Attempt(case=case.model_copy(update={"name": name}), status=Status.PASSED)
        return SuiteReport(suite="s", attempts=(attempt,), complete=True)

    assert merged(plan, {1: said("test_one[x]")}).problems == ()
    assert "not its own" in merged(plan, {1: said("test_one[y]")}).problems[0]
