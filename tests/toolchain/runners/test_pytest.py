"""The pytest runner, with real pytest on small planted projects: no lie ends in PASS."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from domain.cases import Status, judge
from domain.errors import SpecError
from domain.spec import Suite
from domain.verdict import Outcome
from tests.toolchain.runners.planted import (
    END,
    FAILING,
    GOOD,
    SESSION,
    TWO,
    by_id,
    line,
    passed,
    request_for,
    run,
)
from toolchain.command import Ran
from toolchain.engine_argv import BOOT
from toolchain.runners import RunRequest
from toolchain.runners import pytest as runner


def test_the_exact_argv(tmp_path: Path) -> None:
    suite = Suite(name="unit", paths=("tests",), args=("-x",), environment={"MODE": "test"})
    request = request_for(tmp_path, suite=suite, interpreter=Path("/venv/bin/python"), timeout=9.0)
    command = runner.command(request)
    out = request.out
    assert command.argv == (
        *("/venv/bin/python", str(BOOT), "--out", str(out), "--workers", "0", "--case-timeout", "600", "--"),
        *("-x", f"--rootdir={request.root}", "-o", f"cache_dir={out}/cache", "tests"),
    )
    assert (command.cwd, command.environment) == (request.root, {"MODE": "test"})
    assert (command.timeout, command.report) == (9.0, None)


def test_the_engine_is_told_all_that_the_suite_and_the_request_say(tmp_path: Path) -> None:
    suite = Suite(start="process", collect="once", group_by="class", case_timeout=3.5, retries=2, workers=7)
    files = {name: tmp_path / name for name in ("durations", "repeat", "coverage", "cache")}
    request = request_for(tmp_path, "pytest", suite=suite, workers=3, impact=True, **files)
    assert runner.command(request).argv[4:] == (
        *("--workers", "3", "--start", "process", "--collect", "once", "--group-by", "class"),
        *("--case-timeout", "3.5", "--retries", "2", "--durations", str(files["durations"])),
        *("--repeat", str(files["repeat"]), "--coverage", str(files["coverage"]), "--impact", "--"),
        *(f"--rootdir={request.root}", "-o", f"cache_dir={files['cache']}"),
    )


def test_a_selection_takes_the_place_of_the_paths(tmp_path: Path) -> None:
    request = request_for(tmp_path, suite=Suite(paths=("tests",)), selection=("a.py", "b.py"))
    assert runner.command(request).argv[-2:] == ("a.py", "b.py")


def test_chosen_cases_go_into_a_file_and_their_files_to_pytest(tmp_path: Path) -> None:
    request = request_for(tmp_path, selection=("a.py::test_x", "a.py::test_y", "b.py"))
    command = runner.command(request)
    select = request.out / "select.json"
    assert command.argv[-2:] == ("a.py", "b.py") and "--select" in command.argv
    assert json.loads(command.files[select]) == ["a.py::test_x", "a.py::test_y", "b.py"]


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


async def test_a_hang_is_stopped_and_named_and_what_finished_is_kept(tmp_path: Path) -> None:
    files = {"test_a.py": GOOD + "def test_hang():\n    import time\n    time.sleep(60)\n"}
    report, ran = await run(tmp_path, files, timeout=2.0)
    assert ran.timed_out and ran.seconds < 60
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
    assert report.complete and judge(report).outcome is Outcome.FAIL


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


def ran_with(tmp_path: Path, text: str, exit_code: int | None) -> tuple[Ran, RunRequest]:
    request = request_for(tmp_path)
    (request.out / "journal").mkdir(parents=True)
    (request.out / "journal" / "main.jsonl").write_text(text)
    for name in ("stdout.log", "stderr.log"):
        (request.out / name).write_text("")
    out, error = request.out / "stdout.log", request.out / "stderr.log"
    return Ran(argv=("pytest",), exit_code=exit_code, seconds=1.0, stdout=out, stderr=error), request


@pytest.mark.parametrize(
    ("text", "exit_code", "problem"),
    [
        (TWO + passed("t.py::a") + passed("t.py::b") + line(e="end", exit=1), 1, "exit 1"),
        (TWO + passed("t.py::a") + passed("t.py::b") + line(e="end", exit=2), 2, "was interrupted"),
        (TWO + passed("t.py::a") + passed("t.py::b") + line(e="end", exit=3), 3, "internal error"),
        (TWO + passed("t.py::a") + passed("t.py::b") + line(e="end", exit=77), 77, "does not define"),
        (TWO + passed("t.py::a") + passed("t.py::b") + END, -15, "signal 15"),
        (TWO + passed("t.py::a") + passed("t.py::b") + END, 1, "ends with 0 and ended with 1"),
        (TWO + passed("t.py::a") + passed("t.py::b"), 0, "before it could say"),
        (TWO + passed("t.py::a") + passed("t.py::b") + END[:-1], 0, "before it could say"),
        (TWO + passed("t.py::a") + END, 0, "2 cases were collected and 1 have a result"),
        (passed("t.py::a") + END, 0, "0 cases were collected and 1 have a result"),
        (TWO + passed("t.py::a") + "{}\n" + passed("t.py::b") + END, 0, "is damaged"),
        (TWO + passed("t.py::a") + "[1]\n" + passed("t.py::b") + END, 0, "is damaged"),
        (TWO + passed("t.py::a") + passed("t.py::b") + line(e="problem", text="odd") + END, 0, "odd"),
        ("", 0, "before it could say"),
    ],
)
def test_what_does_not_agree_is_a_problem(tmp_path: Path, text: str, exit_code: int, problem: str) -> None:
    ran, request = ran_with(tmp_path, SESSION + text, exit_code)
    report = runner.parse(ran, request)
    assert problem in " ".join(report.problems)
    assert judge(report).outcome is Outcome.INCONCLUSIVE


def test_a_whole_journal_passes_and_the_same_attempt_twice_counts_once(tmp_path: Path) -> None:
    twice = SESSION + TWO + passed("t.py::a") + passed("t.py::a") + passed("t.py::b") + END
    report = runner.parse(*ran_with(tmp_path, twice, 0))
    assert (len(report.attempts), report.workers, report.problems) == (2, 2, ())
    assert judge(report).outcome is Outcome.PASS
