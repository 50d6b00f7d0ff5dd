"""Any command with a report, run for real by small scripts: no lie ends in PASS, and no earlier run is believed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from domain.cases import SuiteReport, judge
from domain.errors import SpecError
from domain.spec import Suite
from domain.verdict import Outcome
from tasks.execute import execute
from toolchain.runners import RunRequest
from toolchain.runners import command as runner

REPORTS = Path(__file__).parents[1] / "reports" / "fixtures"
XML = '<testsuite tests="1" failures="0"><testcase classname="c" name="a" file="FILE"/></testsuite>'


def request_for(tmp_path: Path, script: str, report: str | None = "out/*.xml", **more: object) -> RunRequest:
    root = tmp_path / "project"
    root.mkdir(exist_ok=True)
    values: dict[str, object] = {
        "suite": Suite(name="unit", framework="command", command=("sh", "-c", script), report=report),
        "root": root,
        "out": tmp_path / "evidence",
        "timeout": 30.0,
    }
    return RunRequest.model_validate(values | more)


async def run(tmp_path: Path, script: str, report: str | None = "out/*.xml", **more: object) -> SuiteReport:
    request = request_for(tmp_path, script, report, **more)
    return runner.parse(await execute(runner.command(request), request.out), request)


def test_the_exact_argv(tmp_path: Path) -> None:
    suite = Suite(framework="command", command=("make", "test"), args=("V=1",), report="x", environment={"A": "b"})
    command = runner.command(request_for(tmp_path, "", suite=suite))
    assert (command.argv, command.environment) == (("make", "test", "V=1"), {"A": "b"})
    assert (command.cwd, command.timeout) == (tmp_path / "project", 30.0)


@pytest.mark.parametrize(
    ("suite", "word"),
    [
        (Suite(framework="command"), "needs a command"),
        (Suite(framework="command", command=("make",)), "needs a report"),
        (Suite(framework="command", command=("make",), report="/etc/*.xml"), "outside of the project"),
        (Suite(framework="command", command=("make",), report="../*.xml"), "outside of the project"),
    ],
)
def test_what_cannot_be_run_is_refused_before_it_starts(tmp_path: Path, suite: Suite, word: str) -> None:
    with pytest.raises(SpecError, match=word):
        runner.command(request_for(tmp_path, "", suite=suite))


async def test_formats_are_told_apart_by_their_content(tmp_path: Path) -> None:
    script = f"""
mkdir -p out/deep
cp {REPORTS}/junit/gradle.xml out/a.report
cp {REPORTS}/tap/perl.tap out/b.report
cp {REPORTS}/pytest_json/failing.json out/deep/c.report
exit 1"""
    report = await run(tmp_path, script, "out/**/*.report")
    assert len(report.attempts) == 4 + 8 + 8 and report.problems == () and report.complete
    assert judge(report).outcome is Outcome.FAIL


async def test_tap_on_standard_output_and_a_file_by_its_path_from_the_root(tmp_path: Path) -> None:
    report = await run(tmp_path, "echo 1..1; echo ok 1 - a", "-")
    assert judge(report).outcome is Outcome.PASS
    xml = XML.replace("FILE", "$PWD/tests/a.php").replace('"', '\\"')
    report = await run(tmp_path, f'mkdir -p out; echo "{xml}" > out/a.xml')
    assert str(report.attempts[0].case) == "tests/a.php::c::a"


async def test_a_command_by_its_path_is_the_projects_wherever_we_are(tmp_path: Path) -> None:
    suite = Suite(name="unit", framework="command", command=("vendor/bin/tool",), report="-")
    request = request_for(tmp_path, "", suite=suite)
    tool = request.root / "vendor" / "bin" / "tool"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\necho 1..1; echo ok 1 - a\n")
    tool.chmod(0o755)
    report = runner.parse(await execute(runner.command(request), request.out), request)
    assert judge(report).outcome is Outcome.PASS


async def test_what_a_tool_says_is_told_without_colours(tmp_path: Path) -> None:
    report = await run(tmp_path, "printf '\\033[0m' >&2; echo why; exit 3", "-")
    assert any(problem.endswith(": why") for problem in report.problems), report.problems


async def test_one_name_in_two_reports_is_two_cases(tmp_path: Path) -> None:
    report = await run(tmp_path, f"mkdir -p out; echo '{XML}' > out/a.xml; echo '{XML}' > out/b.xml")
    assert [a.case.name for a in report.attempts] == ["a", "a (#2)"]


async def test_a_report_of_an_earlier_run_is_not_read_and_not_deleted(tmp_path: Path) -> None:
    request = request_for(tmp_path, "true")
    old = request.root / "out" / "old.xml"
    old.parent.mkdir()
    old.write_text(XML)
    os.utime(old, (1_000_000, 1_000_000))
    report = runner.parse(await execute(runner.command(request), request.out), request)
    assert judge(report).outcome is Outcome.INCONCLUSIVE and report.attempts == ()
    assert "1 of an earlier run were not read" in report.problems[0] and old.exists()
    fresh = await run(tmp_path, f"echo '{XML}' > out/new.xml")
    assert judge(fresh).outcome is Outcome.PASS and "1 report(s) of an earlier run" in fresh.notes[0]


async def test_a_selection_is_said_not_to_be_followed(tmp_path: Path) -> None:
    report = await run(tmp_path, "echo 1..1; echo ok", "-", selection=("a.py",))
    assert "cannot select" in report.notes[0]
