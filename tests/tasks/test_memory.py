"""What is remembered of cases changes what a run says, and nothing that it must not."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import records
from domain.cases import Attempt, CaseId, Status, SuiteReport, judge
from domain.quarantine import Entry
from domain.spec import Repeat, Spec, Suite, Tests
from domain.verdict import Outcome
from tasks import execution
from tasks.quarantine import in_force, quarantined
from tasks.repetition import repeated
from tasks.run import Run
from tasks.snapshot import take

CASES = """
import pathlib
def test_calm(): pass
def test_race():
    here = pathlib.Path(__file__).with_name("count")
    count = len(here.read_text()) if here.exists() else 0
    here.write_text("x" * (count + 1))
    assert count != 2
"""
RACE, CALM = (CaseId(suite="tests", file="test_it.py", name=name) for name in ("test_race", "test_calm"))


@pytest.fixture
def run(tes_home: Path) -> Run:
    """A run that is recorded as open."""
    spec = Spec(name="demo", tests=Tests(repeat=Repeat(most=4, budget=20.0)))
    records.open_run("now", "demo", "execution")
    made = Run(
        id="now", kind="execution", project="demo", root=tes_home, spec=spec, actor="ada", holder="ada",
        store=tes_home / "store", folder=tes_home / "runs",
    )  # fmt: skip
    return made


def before(statuses: str, case: CaseId = RACE) -> None:
    """Runs of one content, a letter each."""
    for number, letter in enumerate(statuses):
        records.open_run(f"b{number}", "demo", "execution", source_digest="sha256:old")
        status = Status.FAILED if letter == "F" else Status.PASSED
        both = [Attempt(case=case, status=status), Attempt(case=CALM, status=Status.PASSED)]
        records.record_attempts(f"b{number}", "tests.tests", both)


def aside(case: CaseId = RACE) -> None:
    now = time.time()
    entry = Entry(case=case, owner="ada", reason="races", added=now - 60, until=now + 86400)
    records.quarantine("demo", entry, "ada")


def report(status: Status = Status.FAILED) -> SuiteReport:
    attempts = (Attempt(case=RACE, status=status), Attempt(case=CALM, status=Status.PASSED))
    return SuiteReport(suite="tests", attempts=attempts)


async def test_a_known_flake_in_quarantine_does_not_fail_the_suite(run: Run) -> None:
    before("...F.....F...")
    assert judge(report(), await quarantined(run, report(), "new")).outcome is Outcome.FAIL
    aside()
    said = judge(report(), await quarantined(run, report(), "new"))
    assert said.outcome is Outcome.PASS and "set aside until" in said.reasons[1]


async def test_a_regression_fails_it_all_the_same(run: Run) -> None:
    before("." * 20 + "FF")
    aside()
    said = judge(report(), await quarantined(run, report(), "new"))
    assert said.outcome is Outcome.FAIL and "failed 3 of 3" in said.reasons[1]


async def test_the_reports_of_a_stage_mark_what_is_set_aside(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ran(*_: object, **__: object) -> tuple[SuiteReport, tuple[()]]:
        return report(), ()

    async def environment(*_: object) -> SimpleNamespace:
        return SimpleNamespace(python=Path(sys.executable))

    monkeypatch.setattr(execution, "on_this_machine", ran)
    monkeypatch.setattr(execution, "suite_environment", environment)
    before("...F.....F...")
    aside()
    project = tmp_path / "demo"
    project.mkdir()
    (project / "test_it.py").write_text(CASES)
    stage = await execution.tests.fn(run, await take(project, run.store, name="demo"), Suite())
    assert stage.verdict.outcome is Outcome.PASS and stage.verdict.metrics["quarantined"] == 1
    (junit,) = [Path(one.location) for one in stage.verdict.evidence if one.name == "junit.xml"]
    assert junit.read_text().count('name="quarantined"') == 1
    (annotation,) = stage.payload["annotations"]
    assert annotation["level"] == "warning", "it stops nobody"


async def test_a_pass_that_the_quarantine_helped_to_is_quoted_only_while_it_lasts(run: Run) -> None:
    before(".F")
    assert await in_force(run, "tests") == {}
    aside()
    (held,) = records.quarantines("demo")
    inputs = await in_force(run, "tests")
    assert inputs["quarantine"][0][0] == held.id and await in_force(run, "another") == {}
    records.release_from_quarantine("demo", held.entry, "repaired", "ada")
    assert await in_force(run, "tests") == {}


async def test_a_new_case_that_flakes_is_found_on_its_first_day_by_the_real_engine(run: Run, tmp_path: Path) -> None:
    before("..", CALM)
    project = tmp_path / "demo"
    project.mkdir()
    (project / "test_it.py").write_text(CASES)
    source = await take(project, run.store, name="demo")
    given = SuiteReport(
        suite="tests",
        attempts=(
            *report(Status.PASSED).attempts,
            Attempt(case=CaseId(suite="tests", file="test_it.py", name="test_gone"), status=Status.SKIPPED),
        ),
    )
    found = await repeated(run, source, Suite(), Path(sys.executable), given, tmp_path / "out")
    more = [one for one in found.attempts if one.repeat]
    assert [(one.number, one.status.value) for one in more if one.case == RACE] == [
        (2, "passed"), (3, "passed"), (4, "failed"), (5, "passed")]  # fmt: skip
    assert not [one for one in more if one.case == CALM], "it has a history"
    said = judge(found)
    assert said.outcome is Outcome.PASS and said.metrics["flaky"] == 1
    assert "1 passed and failed when repeated, the first: test_it.py::test_race" in said.reasons


async def test_repetition_is_off_unless_it_is_asked_for(run: Run, tmp_path: Path) -> None:
    quiet = run.model_copy(update={"spec": Spec(name="demo")})
    project = tmp_path / "demo"
    project.mkdir()
    (project / "test_it.py").write_text(CASES)
    source = await take(project, run.store, name="demo")
    given = report(Status.PASSED)
    assert await repeated(quiet, source, Suite(), Path(sys.executable), given, tmp_path / "out") is given
