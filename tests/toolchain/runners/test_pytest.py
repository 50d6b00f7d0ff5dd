"""The pytest runner, with real pytest on small planted projects: no lie ends in PASS."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from domain.cases import Status, SuiteReport, judge
from domain.errors import SpecError
from domain.spec import Suite
from domain.verdict import Outcome
from tasks.execute import execute
from toolchain.command import Ran
from toolchain.engine_argv import BOOT
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
        *("/venv/bin/python", str(BOOT), "--out", str(out), "--workers", "0", "--case-timeout", "600", "--"),
        *("-x", f"--rootdir={request.root}", "-o", f"cache_dir={out}/cache", "tests"),
    )
    assert (command.cwd, command.environment) == (request.root, {"MODE": "test"})
    assert (command.timeout, command.report) == (9.0, None)


def test_the_engine_is_told_all_that_the_suite_and_the_request_say(tmp_path: Path) -> None:
    suite = Suite(start="process", collect="once", group_by="class", case_timeout=3.5, retries=2, workers=7)
    files = {name: tmp_path / name for name in ("durations", "repeat", "coverage", "cache")}
    request = request_for(tmp_path, suite=suite, workers=3, impact=True, **files)
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


SWALLOW = """
import pytest
@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    session.exitstatus = 0
"""
FIND = """
import pathlib, pytest
def journals():
    return list(pathlib.Path(OUT).glob("journal/*.jsonl"))
"""
DELETE = """
def pytest_unconfigure(config):
    for path in journals(): path.unlink()
"""
CUT = """
def pytest_unconfigure(config):
    for path in journals(): path.write_bytes(path.read_bytes()[:-30])
"""
DAMAGE = """
def pytest_unconfigure(config):
    for path in journals(): path.write_bytes(path.read_bytes().replace(b'"e":"result"', b'"e":"resu\\x00'))
"""
CATCH = """
import pytest
@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    report.outcome, report.longrepr = "passed", None
"""
CATCH_CALL = """
import pytest
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    outcome = yield
    outcome.force_result(None)
"""
SILENCE = """
def pytest_runtest_protocol(item, nextitem):
    return True
"""
RETRY = """
from _pytest.runner import runtestprotocol
def pytest_runtest_protocol(item, nextitem):
    for last in (False, True):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if last or all(report.passed for report in reports):
            for report in reports: item.ihook.pytest_runtest_logreport(report=report)
            return True
"""
FLAKY = "N = []\ndef test_flaky():\n    N.append(1)\n    assert len(N) > 1, 'the first time'\n"
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
        "sys.exit(0)",
    ),
    "sys.exit(0) while a file is imported": (
        {"test_a.py": GOOD, "test_b.py": "import sys; sys.exit(0)"},
        Outcome.FAIL,
        "test_b.py::(collection)",
    ),
    "pytest.exit(returncode=0)": (
        {
            "test_a.py": GOOD
            + "def test_b():\n    import pytest\n    pytest.exit('enough', 0)\n"
            + "def test_c(): pass\n"
        },
        Outcome.INCONCLUSIVE,
        "3 cases were collected and 1 have a result",
    ),
    "os._exit(0) in a test": (
        {"test_a.py": GOOD + "def test_b():\n    import os\n    os._exit(0)\n"},
        Outcome.FAIL,
        "test_a.py::test_b",
    ),
    "kill -9 itself": (
        {"test_a.py": GOOD + "def test_b():\n    import os\n    os.kill(os.getpid(), 9)\n"},
        Outcome.FAIL,
        "SIGKILL",
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
    "the journal is deleted": (
        {"conftest.py": FIND + DELETE, "test_a.py": GOOD},
        Outcome.INCONCLUSIVE,
        "before it could",
    ),
    "the journal is cut off": ({"conftest.py": FIND + CUT, "test_a.py": GOOD}, Outcome.FAIL, "ended in this case"),
    "the journal is damaged": ({"conftest.py": FIND + DAMAGE, "test_a.py": GOOD}, Outcome.INCONCLUSIVE, "is damaged"),
    "a plugin turns failures into passes": (
        {"conftest.py": CATCH, "test_a.py": FAILING},
        Outcome.INCONCLUSIVE,
        "test_a.py::test_bad raised AssertionError and a plugin reported that it passed",
    ),
    "a plugin catches what tests raise": (
        {"conftest.py": CATCH_CALL, "test_a.py": FAILING},
        Outcome.INCONCLUSIVE,
        "test_a.py::test_bad raised AssertionError and a plugin reported that it passed",
    ),
    "a plugin runs nothing": (
        {"conftest.py": SILENCE, "test_a.py": GOOD},
        Outcome.INCONCLUSIVE,
        "no plugin reported how it went",
    ),
    "a retry of the project's own hides a failure that stays": (
        {"conftest.py": RETRY, "test_a.py": FAILING},
        Outcome.FAIL,
        "test_a.py::test_bad",
    ),
    "os._exit(0) while a file is imported": (
        {"test_a.py": GOOD, "test_b.py": "import os; os._exit(0)"},
        Outcome.FAIL,
        "exit code 0 in the middle",
    ),
    "a fixture of the session kills its worker": (
        {
            "test_a.py": "import os, pytest\n@pytest.fixture(scope='session')\ndef s():\n    yield\n    os._exit(0)\n"
            "def test_s(s): pass\n"
        },
        Outcome.FAIL,
        "exit code 0 in the middle",
    ),
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
        "2 cases were collected and 1 have a result",
    ),
    "the project's options only collect": (
        {"pytest.ini": "[pytest]\naddopts = --collect-only", "test_a.py": GOOD},
        Outcome.INCONCLUSIVE,
        "runs no case",
    ),
}


@pytest.mark.parametrize("name", SABOTAGE)
async def test_sabotage_never_passes(tmp_path: Path, name: str) -> None:
    files, outcome, told = SABOTAGE[name]
    stale = tmp_path / "out" / "journal" / "main.jsonl"
    stale.parent.mkdir(parents=True)
    stale.write_text(line(e="file", f="old.py", n=1, s=0.1, b=0) + passed("old.py::test_old") + END)
    out = f"OUT = {str(tmp_path / 'out')!r}\n"
    report, _ = await run(tmp_path, {name: (out if FIND in text else "") + text for name, text in files.items()})
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
    assert report.complete and judge(report).outcome is Outcome.FAIL


async def test_a_retry_of_the_projects_own_is_told(tmp_path: Path) -> None:
    report, _ = await run(tmp_path, {"conftest.py": RETRY, "test_a.py": FLAKY})
    assert [(a.number, a.status) for a in report.attempts] == [(1, Status.FAILED), (2, Status.PASSED)]
    assert "passed only on retry" in " ".join(judge(report).reasons)


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


def line(**event: object) -> str:
    return json.dumps(event) + "\n"


def passed(name: str, number: int = 1) -> str:
    file, _, case = name.partition("::")
    parts = {"id": name, "f": file, "c": "", "name": case}
    return line(e="result", **parts, n=number, o="passed", t=1.0, d=[0, 0.5, 0], w="gw0", b=0, ln=1)


SESSION = line(e="session", workers=2, start="fork", mode="parallel", arguments=[])
END = line(e="end", exit=0, collected=1, ran=1, t=2.0)
TWO = line(e="file", f="t.py", n=2, s=0.1, b=0)


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
