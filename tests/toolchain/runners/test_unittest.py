"""The unittest runner, with real unittest on small planted projects: no lie ends in PASS."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import pytest

from domain.cases import Status, judge
from domain.errors import SpecError
from domain.spec import Suite
from domain.verdict import Outcome
from tests.toolchain.runners import planted
from tests.toolchain.runners.planted import by_id
from toolchain.runners import unittest as runner

HEAD = "import os, sys, unittest\n"
GOOD = HEAD + "class TestGood(unittest.TestCase):\n    def test_good(self): pass\n"

request_for = functools.partial(planted.request_for, framework="unittest")
run = functools.partial(planted.run, framework="unittest")


def test_the_exact_argv(tmp_path: Path) -> None:
    suite = Suite(name="unit", framework="unittest", paths=("tests",), args=("-b",), environment={"MODE": "test"})
    request = request_for(tmp_path, suite=suite, interpreter=Path("/venv/bin/python"), timeout=9.0)
    command = runner.command(request)
    out = request.out
    assert command.argv == (
        *("/venv/bin/python", f"{out}/tes_unittest.py", "-b"),
        *(f"--report={out}/unittest.jsonl", f"--root={request.root}", "--target=tests"),
    )
    assert (command.cwd, command.environment) == (request.root, {"MODE": "test"})
    assert (command.timeout, command.report) == (9.0, out / "unittest.jsonl")
    assert command.files.keys() == {out / "tes_unittest.py"}


def test_a_path_cannot_smuggle_an_option_in(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="is an option"):
        runner.command(request_for(tmp_path, suite=Suite(paths=("--report=x",))))


async def test_every_outcome_of_unittest_under_its_name(tmp_path: Path) -> None:
    text = HEAD + """
class TestA(unittest.TestCase):
    def test_good(self): pass
    def test_bad(self): self.assertEqual(1, 2, "one left")
    def test_error(self): raise RuntimeError("no cart")
    @unittest.skip("not today")
    def test_skip(self): pass
    def test_skip_inside(self): self.skipTest("nor tomorrow")
    @unittest.expectedFailure
    def test_known(self): self.fail()
    @unittest.expectedFailure
    def test_fixed(self): pass
    def test_exit(self): sys.exit(0)
    def test_subtests(self):
        for n in range(4):
            with self.subTest(n=n): self.assertNotIn(n, (1, 3))
    def test_good_subtests(self):
        for n in range(4):
            with self.subTest(n=n): pass
class TestTearDown(unittest.TestCase):
    def tearDown(self): raise RuntimeError("no teardown")
    def test_late(self): pass
class TestAsync(unittest.IsolatedAsyncioTestCase):
    async def test_waits(self): pass
"""
    report, _ = await run(tmp_path, {"tests/__init__.py": "", "tests/test_a.py": text})
    at = "tests/test_a.py::TestA"
    assert by_id(report) == {
        f"{at}::test_good": Status.PASSED,
        f"{at}::test_bad": Status.FAILED,
        f"{at}::test_error": Status.ERROR,
        f"{at}::test_skip": Status.SKIPPED,
        f"{at}::test_skip_inside": Status.SKIPPED,
        f"{at}::test_known": Status.XFAILED,
        f"{at}::test_fixed": Status.FAILED,
        f"{at}::test_exit": Status.ERROR,
        f"{at}::test_subtests": Status.FAILED,
        f"{at}::test_good_subtests": Status.PASSED,
        "tests/test_a.py::TestTearDown::test_late": Status.ERROR,
        "tests/test_a.py::TestAsync::test_waits": Status.PASSED,
    }
    assert report.complete and report.problems == ()
    said = {a.case.name: a for a in report.attempts}
    assert "one left" in said["test_bad"].message and "test_a.py" in said["test_bad"].output
    assert "(n=1)" in said["test_subtests"].message and "(n=3)" in said["test_subtests"].message
    assert said["test_skip"].message == "not today"
    assert judge(report).outcome is Outcome.FAIL


async def test_what_fails_around_the_cases_is_an_error_of_its_own(tmp_path: Path) -> None:
    files = {
        "test_class.py": HEAD
        + "class TestC(unittest.TestCase):\n    @classmethod\n    def setUpClass(cls): raise OSError('no database')\n"
        + "    def test_one(self): pass\n    def test_two(self): pass\n",
        "test_module.py": GOOD + "def setUpModule(): raise OSError('no network')\n",
        "test_broken.py": "import nowhere_to_be_found\n",
        "test_exit.py": "import sys\nsys.exit(0)\n",
        "test_good.py": GOOD,
    }
    report, _ = await run(tmp_path, files)
    told = by_id(report)
    assert told.pop("test_good.py::TestGood::test_good") is Status.PASSED
    assert told == {
        "test_class.py::TestC::setUpClass": Status.ERROR,
        "test_module.py::setUpModule": Status.ERROR,
        "test_broken.py::test_broken": Status.ERROR,
        "test_exit.py::test_exit": Status.ERROR,
    }
    assert report.complete and report.problems == ()
    again, _ = await run(tmp_path, {}, selection=tuple(told))
    assert set(by_id(again)) == set(told)


async def test_a_good_project_passes_also_from_a_folder_that_is_no_package(tmp_path: Path) -> None:
    base = "import unittest\nclass Base(unittest.TestCase):\n    def test_shared(self): pass\n"
    report, _ = await run(
        tmp_path, {"tests/base.py": base, "tests/test_b.py": "import base\nclass TestB(base.Base): pass\n"}
    )
    assert set(by_id(report)) == {"tests/test_b.py::TestB::test_shared"}
    assert judge(report).outcome is Outcome.PASS and "looked for in tests/" in report.notes[0]


@pytest.mark.parametrize(
    "target", ["tests", "tests/test_a.py", "tests/test_a.py::TestGood", "tests/test_a.py::TestGood::test_good"]
)
@pytest.mark.parametrize("package", [True, False])
async def test_a_folder_a_file_a_class_and_a_case_can_be_selected(tmp_path: Path, target: str, package: bool) -> None:
    files = {"tests/test_a.py": GOOD, "test_other.py": GOOD}
    report, _ = await run(tmp_path, files | ({"tests/__init__.py": ""} if package else {}), selection=(target,))
    assert set(by_id(report)) == {"tests/test_a.py::TestGood::test_good"} and report.problems == ()


async def test_a_selection_too_long_for_a_command_line_still_runs(tmp_path: Path) -> None:
    selection = ("test_a.py::TestGood::test_good",) * 2000
    report, _ = await run(tmp_path, {"test_a.py": GOOD}, selection=selection)
    assert len(report.attempts) == 2000


CASE = HEAD + "class TestA(unittest.TestCase):\n    def test_a(self): pass\n    def test_b(self):\n        "
SABOTAGE = {
    "dies at once": CASE + "os._exit(0)",
    "dies as if it had failed": CASE + "os._exit(1)",
    "is killed": CASE + "os.kill(os.getpid(), 9)",
    "ends itself as it is imported": HEAD + "os._exit(0)",
    "nothing is collected": "",
    "all is skipped": HEAD + "@unittest.skip('x')\nclass TestA(unittest.TestCase):\n    def test_a(self): pass\n",
    "the result is swallowed": CASE
    + "pass\n    def run(self, result=None):\n        result.startTest(self)\n        result.stopTest(self)\n",
    "the runner is broken": CASE + "unittest.TestResult.startTest = None; os._exit(0)",
}


@pytest.mark.parametrize("way", SABOTAGE)
async def test_a_run_that_goes_wrong_is_no_pass(tmp_path: Path, way: str) -> None:
    report, _ = await run(tmp_path, {"test_a.py": SABOTAGE[way]})
    assert judge(report).outcome is not Outcome.PASS


async def test_the_case_in_which_the_process_died_is_named(tmp_path: Path) -> None:
    report, _ = await run(tmp_path, {"test_a.py": CASE + "os.kill(os.getpid(), 11)"})
    assert by_id(report) == {"test_a.py::TestA::test_a": Status.PASSED, "test_a.py::TestA::test_b": Status.CRASHED}
    assert "signal 11" in report.attempts[1].message and not report.complete


async def test_a_case_beyond_its_limit_is_crashed_with_its_stack(tmp_path: Path) -> None:
    text = CASE + "__import__('time').sleep(60)"
    report, ran = await run(tmp_path, {"test_a.py": text}, suite=Suite(framework="unittest", case_timeout=1.0))
    assert by_id(report) == {"test_a.py::TestA::test_a": Status.PASSED, "test_a.py::TestA::test_b": Status.CRASHED}
    assert "Timeout" in report.attempts[1].output and "test_b" in report.attempts[1].output
    assert judge(report).outcome is Outcome.FAIL and ran.seconds < 30


async def test_a_time_out_keeps_what_had_finished_and_names_what_was_running(tmp_path: Path) -> None:
    report, _ = await run(tmp_path, {"test_a.py": CASE + "__import__('time').sleep(60)"}, timeout=2.0)
    assert by_id(report) == {"test_a.py::TestA::test_a": Status.PASSED}
    assert "TestA::test_b was running" in report.problems[1]
    assert judge(report).outcome is Outcome.INCONCLUSIVE


async def test_a_report_cut_anywhere_is_no_pass_and_keeps_what_was_whole(tmp_path: Path) -> None:
    _, ran = await run(tmp_path, {"test_a.py": CASE + "pass"})
    assert ran.report is not None
    whole = ran.report.read_bytes()
    for length in range(0, len(whole) - 1, 7):
        ran.report.write_bytes(whole[:length])
        report = runner.parse(ran, request_for(tmp_path))
        assert judge(report).outcome is not Outcome.PASS, f"cut at {length}"


async def test_the_projects_path_is_that_of_unittest_itself(tmp_path: Path) -> None:
    """Nothing of ours is on it, and neither the script nor its folder can be imported by mistake."""
    told = "print(sys.path[0], 'toolchain' in str(sys.path))"
    text = HEAD + f"class T(unittest.TestCase):\n    def test_a(self):\n        {told}\n"
    _, ran = await run(tmp_path, {"test_a.py": text}, interpreter=Path(sys.executable))
    assert ran.stdout.read_text().split() == [str((tmp_path / "project").resolve()), "False"]
