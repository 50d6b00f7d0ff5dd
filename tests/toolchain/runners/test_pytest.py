"""The pytest runner, with real pytest on small planted projects: no lie ends in PASS."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from domain.cases import Status, SuiteReport, judge
from domain.errors import SpecError
from domain.spec import Suite
from domain.verdict import Outcome
from tasks.execute import execute
from toolchain.command import Ran
from toolchain.runners import RunRequest
from toolchain.runners import pytest as runner

GOOD = "def test_good():\n    pass\n"


def request_for(tmp_path: Path, **more: object) -> RunRequest:
    root = tmp_path / "project"
    root.mkdir(exist_ok=True)
    values: dict[str, object] = {"suite": Suite(name="unit"), "root": root, "out": tmp_path / "out", "timeout": 60.0}
    return RunRequest.model_validate(values | more)


async def run(tmp_path: Path, files: dict[str, str], **more: object) -> tuple[SuiteReport, Ran]:
    request = request_for(tmp_path, **more)
    for name, text in files.items():
        (request.root / name).parent.mkdir(parents=True, exist_ok=True)
        (request.root / name).write_text(text)
    ran = await execute(runner.command(request), request.out)
    return runner.parse(ran, request), ran


def by_id(report: SuiteReport) -> dict[str, Status]:
    return {str(attempt.case): attempt.status for attempt in report.attempts}


def test_the_exact_argv(tmp_path: Path) -> None:
    suite = Suite(name="unit", paths=("tests",), args=("-x",), environment={"MODE": "test"})
    request = request_for(tmp_path, suite=suite, interpreter=Path("/venv/bin/python"), timeout=9.0)
    command = runner.command(request)
    out = request.out
    assert command.argv == (
        *("/venv/bin/python", "-m", "pytest", "-x", "--verbosity=1", f"--rootdir={request.root}"),
        *("-o", f"cache_dir={out}/cache", f"--junitxml={out}/junit.xml"),
        *("-o", "junit_family=xunit1", "-o", "junit_logging=all", "-o", "junit_log_passing_tests=false", "tests"),
    )
    assert (command.cwd, command.environment) == (request.root, {"MODE": "test"})
    assert (command.timeout, command.report) == (9.0, out / "junit.xml")


def test_a_selection_takes_the_place_of_the_paths(tmp_path: Path) -> None:
    request = request_for(tmp_path, suite=Suite(paths=("tests",)), selection=("a.py::test_x", "b.py"))
    assert runner.command(request).argv[-2:] == ("a.py::test_x", "b.py")


def test_a_path_cannot_smuggle_an_option_in(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="is an option"):
        runner.command(request_for(tmp_path, suite=Suite(paths=("--collect-only",))))


async def test_a_selection_too_long_for_a_command_line_still_runs(tmp_path: Path) -> None:
    many = tuple(f"test_a.py::test_n[{'x' * 80}{number}]" for number in range(1500))
    names = f"NAMES = ['{'x' * 80}' + str(n) for n in range(1500)]"
    files = {"test_a.py": f"import pytest\n{names}\n@pytest.mark.parametrize('n', NAMES)\ndef test_n(n): pass\n"}
    report, _ = await run(tmp_path, files, selection=many)
    assert (len(report.attempts), report.problems) == (1500, ())


async def test_every_status_of_real_pytest_under_its_node_id(tmp_path: Path) -> None:
    text = """
import pytest
class TestA:
    class TestB:
        @pytest.mark.parametrize("n", [1, "a b", "c::d"])
        def test_many(self, n): assert n != "a b", "no blanks"
def test_skip(): pytest.skip("not today")
@pytest.mark.xfail(reason="known")
def test_xfail(): assert False
@pytest.mark.xfail(strict=True)
def test_strict(): pass
@pytest.fixture
def broken(): raise RuntimeError("no fixture")
def test_setup(broken): pass
@pytest.fixture
def late():
    yield
    raise RuntimeError("no teardown")
def test_teardown(late): pass
def test_both(late): assert False
"""
    report, _ = await run(tmp_path, {"tests/test_s.py": text})
    at = "tests/test_s.py"
    assert by_id(report) == {
        f"{at}::TestA::TestB::test_many[1]": Status.PASSED,
        f"{at}::TestA::TestB::test_many[a b]": Status.FAILED,
        f"{at}::TestA::TestB::test_many[c::d]": Status.PASSED,
        f"{at}::test_skip": Status.SKIPPED,
        f"{at}::test_xfail": Status.XFAILED,
        f"{at}::test_strict": Status.FAILED,
        f"{at}::test_setup": Status.ERROR,
        f"{at}::test_teardown": Status.ERROR,
        f"{at}::test_both": Status.FAILED,
    }
    assert report.complete and report.problems == ()
    failed = next(attempt for attempt in report.attempts if "a b" in attempt.case.name)
    assert "no blanks" in failed.message and "no blanks" in failed.output
    assert judge(report).outcome is Outcome.FAIL


async def test_a_good_project_passes_and_an_inherited_case_has_the_file_that_runs_it(tmp_path: Path) -> None:
    files = {
        "base.py": "class Base:\n    def test_shared(self): pass\n",
        "test_a.py": "from base import Base\nclass TestA(Base): pass\n",
        "test_b.py": "from base import Base\nclass TestB(Base): pass\n",
    }
    report, _ = await run(tmp_path, files)
    assert set(by_id(report)) == {"test_a.py::TestA::test_shared", "test_b.py::TestB::test_shared"}
    assert judge(report).outcome is Outcome.PASS
    again, _ = await run(tmp_path, {}, selection=("test_b.py::TestB::test_shared",))
    assert set(by_id(again)) == {"test_b.py::TestB::test_shared"}


async def test_the_suites_environment_reaches_it_and_ours_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PYTEST_ADDOPTS": "--collect-only", "PYTHONPATH": "/nowhere", "PREFECT_API_URL": "x"}.items():
        monkeypatch.setenv(name, value)
    text = """
import os
def test_env():
    assert os.environ["MODE"] == "test"
    assert not {"PYTHONPATH", "PYTEST_ADDOPTS", "PREFECT_API_URL"} & os.environ.keys()
"""
    report, _ = await run(tmp_path, {"test_e.py": text}, suite=Suite(name="unit", environment={"MODE": "test"}))
    assert judge(report).outcome is Outcome.PASS, report


SWALLOW = """
import pytest
@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    session.exitstatus = 0
"""
DELETE = """
import pathlib
def pytest_unconfigure(config):
    pathlib.Path(config.option.xmlpath).unlink()
"""
CUT = """
import pathlib
def pytest_unconfigure(config):
    path = pathlib.Path(config.option.xmlpath)
    path.write_bytes(path.read_bytes()[:-30])
"""
FAILING = GOOD + "def test_bad():\n    assert 1 == 2\n"
SKIPPED = "import pytest\n@pytest.mark.skip\ndef test_a(): pass\n"

# name → (files, outcome, what the reasons must say)
SABOTAGE: dict[str, tuple[dict[str, str], Outcome, str]] = {
    "a case fails": ({"test_a.py": FAILING}, Outcome.FAIL, "test_a.py::test_bad"),
    "conftest cannot be imported": (
        {"conftest.py": "import nothing_there", "test_a.py": GOOD},
        Outcome.INCONCLUSIVE,
        "exit 4",
    ),
    "a file cannot be imported": ({"test_a.py": GOOD, "test_b.py": "import nothing_there"}, Outcome.FAIL, "test_b"),
    "there is no test": ({"test_a.py": "x = 1"}, Outcome.INCONCLUSIVE, "collected no case"),
    "sys.exit(0) in a test": (
        {"test_a.py": GOOD + "def test_b():\n    import sys\n    sys.exit(0)\n"},
        Outcome.FAIL,
        "SystemExit",
    ),
    "sys.exit(0) in conftest": (
        {"conftest.py": "import sys; sys.exit(0)", "test_a.py": GOOD},
        Outcome.INCONCLUSIVE,
        "no report",
    ),
    "pytest.exit(returncode=0)": (
        {
            "test_a.py": GOOD
            + "def test_b():\n    import pytest\n    pytest.exit('enough', 0)\n"
            + "def test_c(): pass\n"
        },
        Outcome.INCONCLUSIVE,
        "collected 3 cases and reported 1",
    ),
    "os._exit(0) in a test": (
        {"test_a.py": GOOD + "def test_b():\n    import os\n    os._exit(0)\n"},
        Outcome.FAIL,
        "test_a.py::test_b",
    ),
    "kill -9 itself": (
        {"test_a.py": GOOD + "def test_b():\n    import os\n    os.kill(os.getpid(), 9)\n"},
        Outcome.FAIL,
        "signal 9",
    ),
    "a plugin makes the exit code 0": (
        {"conftest.py": SWALLOW, "test_a.py": FAILING},
        Outcome.FAIL,
        "test_a.py::test_bad",
    ),
    "a plugin makes an empty run's exit code 0": (
        {"conftest.py": SWALLOW, "test_a.py": ""},
        Outcome.INCONCLUSIVE,
        "no case",
    ),
    "the report is deleted": ({"conftest.py": DELETE, "test_a.py": GOOD}, Outcome.INCONCLUSIVE, "no report"),
    "the report is cut off": ({"conftest.py": CUT, "test_a.py": GOOD}, Outcome.INCONCLUSIVE, "cut off"),
    "every case is skipped": ({"test_a.py": SKIPPED}, Outcome.INCONCLUSIVE, "no case passed"),
    "the project's options are wrong": (
        {"pytest.ini": "[pytest]\naddopts = --no-such-option", "test_a.py": GOOD},
        Outcome.INCONCLUSIVE,
        "exit 4",
    ),
    "a quiet project exits early": (
        {
            "pytest.ini": "[pytest]\naddopts = -qq",
            "test_a.py": GOOD + "def test_b():\n    import pytest\n    pytest.exit('enough', 0)\n",
        },
        Outcome.INCONCLUSIVE,
        "collected 2 cases and reported 1",
    ),
    "the project's options only collect": (
        {"pytest.ini": "[pytest]\naddopts = --collect-only", "test_a.py": GOOD},
        Outcome.INCONCLUSIVE,
        "collected 1 cases and reported 0",
    ),
}


@pytest.mark.parametrize("name", SABOTAGE)
async def test_sabotage_never_passes(tmp_path: Path, name: str) -> None:
    files, outcome, told = SABOTAGE[name]
    stale = tmp_path / "out" / "junit.xml"
    stale.parent.mkdir()
    stale.write_text('<testsuite tests="1"><testcase file="old.py" name="test_old" time="1"/></testsuite>')
    report, _ = await run(tmp_path, files)
    verdict = judge(report)
    assert verdict.outcome is outcome, verdict
    assert told in " ".join(verdict.reasons) + " ".join(a.message for a in report.attempts), verdict
    assert not any("test_old" in case for case in by_id(report)), "a stale report was read"


async def test_a_hang_is_stopped_and_named_and_what_finished_is_kept(tmp_path: Path) -> None:
    files = {"test_a.py": GOOD + "def test_hang():\n    import time\n    time.sleep(60)\n"}
    report, ran = await run(tmp_path, files, timeout=2.0)
    assert ran.timed_out and ran.seconds < 10
    assert by_id(report) == {"test_a.py::test_good": Status.PASSED}
    assert not report.complete
    assert "while test_a.py::test_hang was running" in report.problems[0]
    assert judge(report).outcome is Outcome.INCONCLUSIVE


async def test_what_finished_before_a_crash_is_kept(tmp_path: Path) -> None:
    files = {"test_a.py": FAILING + "def test_die():\n    import os\n    os._exit(0)\n"}
    report, _ = await run(tmp_path, files)
    assert by_id(report) == {
        "test_a.py::test_good": Status.PASSED,
        "test_a.py::test_bad": Status.FAILED,
        "test_a.py::test_die": Status.CRASHED,
    }
    assert not report.complete and judge(report).outcome is Outcome.FAIL


async def test_deselected_cases_are_not_missed(tmp_path: Path) -> None:
    report, _ = await run(tmp_path, {"test_a.py": FAILING}, suite=Suite(name="unit", args=("-k", "good")))
    assert (report.problems, judge(report).outcome) == ((), Outcome.PASS)


async def test_an_interpreter_without_pytest_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    python = tmp_path / "bare" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -I "$@"\n')
    python.chmod(0o755)
    report, _ = await run(tmp_path, {"test_a.py": GOOD}, interpreter=python)
    assert judge(report).outcome is Outcome.INCONCLUSIVE
    assert "not installed there" in report.problems[0]


def ran_with(tmp_path: Path, xml: str, exit_code: int | None, printed: str = "") -> tuple[Ran, RunRequest]:
    request = request_for(tmp_path)
    request.out.mkdir()
    (request.out / "junit.xml").write_text(xml)
    (request.out / "stdout.log").write_text(printed)
    (request.out / "stderr.log").write_text("")
    ran = Ran(
        argv=("pytest",),
        exit_code=exit_code,
        seconds=1.0,
        stdout=request.out / "stdout.log",
        stderr=request.out / "stderr.log",
        report=request.out / "junit.xml",
    )
    return ran, request


CASE = '<testcase classname="t" name="test_a" file="t.py"/>'


@pytest.mark.parametrize(
    ("xml", "exit_code", "printed", "problem"),
    [
        (f'<testsuite tests="1">{CASE}</testsuite>', 1, "", "exit 1"),
        (f'<testsuite tests="1">{CASE}</testsuite>', 2, "", "was interrupted"),
        (f'<testsuite tests="1">{CASE}</testsuite>', 3, "", "internal error"),
        (f'<testsuite tests="1">{CASE}</testsuite>', 77, "", "does not define"),
        (f'<testsuite tests="1">{CASE}</testsuite>', -15, "", "signal 15"),
        (f'<testsuite tests="2">{CASE}</testsuite>', 0, "", "claims 2 cases and holds 1"),
        (f'<testsuite tests="0">{CASE}</testsuite>', 0, "", "claims 0 cases and holds 1"),
        (f"<testsuite>{CASE}</testsuite>", 0, "", "does not say how many"),
        (f'<testsuite tests="1">{CASE}</testsuite>', 0, "collected 9 items / 2 deselected / 7 selected\n", "7 cases"),
        (f'<testsuite tests="1">{CASE}</testsuite>', 0, "!!!!! stopping after 1 failures !!!!!\n", "stopped early"),
    ],
)
def test_what_does_not_agree_is_a_problem(tmp_path: Path, xml: str, exit_code: int, printed: str, problem: str) -> None:
    ran, request = ran_with(tmp_path, xml, exit_code, printed)
    report = runner.parse(ran, request)
    assert problem in " ".join(report.problems)
    assert judge(report).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("declared", [1, 2])
def test_a_case_that_fails_twice_may_be_counted_once_or_twice(tmp_path: Path, declared: int) -> None:
    twice = (
        '<testcase classname="t" name="a" file="t.py"><failure message="no"/></testcase>'
        '<testcase classname="t" name="a" file="t.py"><error message="failed on teardown with x"/></testcase>'
    )
    ran, request = ran_with(tmp_path, f'<testsuite tests="{declared}">{twice}</testsuite>', 1)
    report = runner.parse(ran, request)
    assert (len(report.attempts), report.problems) == (1, ())
