"""Which gates must have spoken before a run is PASS, and what a project says that wants none."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.report import Stage, silent
from domain.spec import Scan, Spec, Tests
from domain.stages import STAGES
from domain.verdict import Outcome, Verdict
from tasks.course import Course
from tasks.run import Run

NOTHING = Spec(tests=Tests(suites=()), scan=Scan(scanners=()))


def course_of(kind: str, spec: Spec, planned: tuple[str, ...]) -> Course:
    here = Path("nowhere")
    run = Run(
        id="1", kind=kind, project="shop", root=here, spec=spec, actor="ada", holder="ada", store=here, folder=here
    )
    return Course(run, planned)


def said(gate: str) -> Stage:
    return Stage(name=gate, verdict=Verdict(gate=gate, outcome=Outcome.PASS))


def test_a_stage_without_any_gate_of_its_own_must_speak_all_the_same() -> None:
    assert {"scan", "tests"} <= set(course_of("release", NOTHING, STAGES).required)


def test_a_release_goes_on_without_the_tests_and_scanners_that_its_project_does_not_want() -> None:
    course = course_of("release", NOTHING, STAGES)
    course.heard([said("build"), *(Stage(name=n, verdict=silent(n, "none wanted")) for n in ("scan", "tests"))])
    assert course.goes_on


@pytest.mark.parametrize(("kind", "gate"), [("execution", "tests"), ("scan", "scan")])
def test_a_run_that_only_tests_or_scans_is_no_pass_when_there_is_nothing_to_do(kind: str, gate: str) -> None:
    course = course_of(kind, NOTHING, (gate,))
    course.heard([Stage(name=gate, verdict=silent(gate, "none wanted"))])
    assert not course.goes_on


def test_tests_that_were_not_found_stop_a_release() -> None:
    course = course_of("release", Spec(), STAGES)
    course.heard([said("build"), Stage(name="tests", verdict=silent("tests", "none was detected"))])
    assert not course.goes_on
