"""`tes test` on real little projects: what it says, what it refuses, and that trouble is never a PASS."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.testing.summary import FIELDS
from tasks.spool import waiting
from tests.cli.tes_driver import BAD, FLAKY, GOOD, TES, result, tes, write


def test_what_passes_is_0_and_says_with_which_python(project: Path) -> None:
    write(project, test_a=GOOD)
    done = tes(project)
    assert done.returncode == 0, done.stderr
    assert "the active environment" in done.stdout and str(Path(sys.prefix, "bin/python")) in done.stdout
    assert done.stdout.splitlines()[-1].startswith("PASS shop: 1 passed in ")


def test_what_fails_is_1_and_tells_how_to_run_it_again(project: Path) -> None:
    write(project, test_a=GOOD + BAD)
    done = tes(project)
    assert done.returncode == 1
    assert "FAILED test_a.py::test_bad" in done.stdout and "E       assert 1 == 2" in done.stdout
    assert "again: tes test test_a.py::test_bad" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("FAIL shop: 1 failed, 1 passed in ")
    code, again = result(project, "test_a.py::test_bad")
    assert code == 1 and (again["counts"]["failed"], again["counts"]["passed"]) == (1, 0)


def test_json_is_one_object_with_what_was_promised(project: Path) -> None:
    write(project, test_a=GOOD + BAD, test_b="import pytest\n@pytest.mark.skip\ndef test_s(): ...\n")
    code, told = result(project)
    assert code == 1 and told["outcome"] == "FAIL" and "cases" not in told
    names = "passed failed error skipped xfailed xpassed crashed flaky reused"
    assert told["counts"] == {name: 0 for name in names.split()} | {"passed": 1, "failed": 1, "skipped": 1}
    assert told["duration_s"] > 0 and told["workers"] >= 1
    assert told["interpreter"]["path"].startswith(sys.prefix)
    assert [suite["name"] for suite in told["suites"]] == ["tests"] and told["reasons"]
    _, told = result(project, "--cases")
    assert list(told) == list(FIELDS)
    assert {case["id"]: case["status"] for case in told["cases"]} == {
        "test_a.py::test_good": "passed",
        "test_a.py::test_bad": "failed",
        "test_b.py::test_s": "skipped",
    }


def test_passed_on_retry_is_flaky_and_said(project: Path) -> None:
    write(project, test_a=FLAKY + GOOD)
    code, told = result(project, "--retries", "1", "--cases")
    assert code == 0 and (told["counts"]["flaky"], told["counts"]["passed"]) == (1, 2)
    (flaky,) = [case for case in told["cases"] if case["flaky"]]
    assert [one["status"] for one in flaky["attempts"]] == ["failed", "passed"]
    (project / "seen").unlink()
    assert "FLAKY test_a.py::test_flaky  passed on attempt 2" in tes(project, "--retries", "2").stdout


def test_a_retry_hides_no_failure(project: Path) -> None:
    write(project, test_a=BAD)
    code, told = result(project, "--retries", "2", "--cases")
    assert code == 1 and [one["status"] for one in told["cases"][0]["attempts"]] == ["failed"] * 3


UNITTEST = "import unittest\nclass TestA(unittest.TestCase):\n    def test_a(self): ...\n"


def test_cases_of_unittest_are_run_by_pytest_where_it_is_and_without_it_by_unittest(
    project: Path, tmp_path: Path
) -> None:
    write(project, test_a=UNITTEST)
    _, told = result(project, "--cases")
    assert told["outcome"] == "PASS" and told["suites"][0]["framework"] == "pytest"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    _, bare = result(project, "--cases", VIRTUAL_ENV=str(tmp_path / "bare"))
    assert bare["outcome"] == "PASS" and bare["suites"][0]["framework"] == "unittest"
    assert [case["id"] for case in bare["cases"]] == [case["id"] for case in told["cases"]]


def test_where_no_case_is_found_it_is_told_what_was_looked_at_and_which_key_changes_it(project: Path) -> None:
    write(project, test_a="import unittest\n")
    (project / "pytest.ini").write_text("[pytest]\ntestpaths = here there\n")
    (project / "here").mkdir()
    code, told = result(project)
    assert code == 2
    (said,) = [reason for reason in told["reasons"] if "looked at" in reason]
    assert "pytest looked at here, there for test_*.py and *_test.py; detected pytest: there is a pytest.ini" in said
    assert "tests.suites in tes.yaml says otherwise" in said


def test_a_debugger_without_a_terminal_is_refused_with_the_command_to_use(project: Path) -> None:
    write(project, test_a=BAD)
    done = tes(project, "test_a.py", "--", "--pdb")
    assert done.returncode == 3 and "needs a terminal" in done.stderr
    assert f"in {project}: {sys.prefix}/bin/python -m pytest --pdb test_a.py" in done.stderr


def test_a_debugger_has_the_terminal_and_no_verdict(project: Path) -> None:
    write(project, test_a=BAD)
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [TES, "test", "--", "--pdb"], cwd=project, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, text=True
    )
    os.close(theirs)
    seen = b""
    while b"(Pdb)" not in seen:
        seen += os.read(ours, 4096)
    os.write(ours, b"q\n")
    with contextlib.suppress(OSError):  # its end
        while os.read(ours, 4096):
            pass
    _, told = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 2 and "no verdict: pytest ran by itself and ended with" in told
    assert not list(waiting())


def test_new_and_changed_cases_are_repeated_where_it_is_asked_for(project: Path) -> None:
    write(project, test_a=GOOD, test_b=GOOD, test_c=GOOD)
    (project / "tes.yaml").write_text("tests: {repeat: {most: 2, budget: 10s}}\n")
    assert len(result(project, "--cases")[1]["cases"][0]["attempts"]) == 1, "where all is new nothing is"
    flaky = "import itertools\nTURN = itertools.count()\ndef test_good():\n    assert next(TURN) != 2\n"
    write(project, test_d=GOOD, test_c=flaky.replace("!= 2", "!= 1"))
    code, told = result(project, "--cases")
    attempts = {case["file"]: [one["status"] for one in case["attempts"]] for case in told["cases"]}
    assert code == 0 and told["counts"]["flaky"] == 1 and told["counts"]["passed"] == 4
    assert attempts["test_a.py"] == ["passed"] and attempts["test_d.py"] == ["passed"] * 3
    assert attempts["test_c.py"] == ["passed", "passed", "failed"] or attempts["test_c.py"].count("failed") == 1
    assert "2 new or changed cases are repeated, 4 attempts" in told["suites"][0]["notes"]
    assert any("failed when repeated, the first: test_c.py::test_good" in reason for reason in told["reasons"])
    assert {len(case["attempts"]) for case in result(project, "--cases")[1]["cases"]} == {1}


def test_the_page_shows_earlier_runs(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TES_RECORD", "1")
    write(project, test_a=GOOD)
    first = result(project)[1]["run"]
    assert first in subprocess.run([TES, "runs", "--json"], capture_output=True, text=True, check=True).stdout
    tes(project, "--html", str(project.parent / "page.html"))
    assert "Pass rate and duration of the last 2 runs" in (project.parent / "page.html").read_text()


def test_where_pytest_broke_down_before_it_looked_nothing_is_said_of_where_it_looked(project: Path) -> None:
    write(project, conftest="import nothing_of_that_name\n", test_a=GOOD)
    code, told = result(project)
    assert code == 2 and not any("looked at" in reason for reason in told["reasons"])


# What is planted, and the exit codes that are honest about it.
TRUST = {
    "a collection error": ({"test_a": GOOD, "test_b": "def broken(:\n"}, (), (1, 2)),
    "an import error in conftest": ({"conftest": "import nothing_of_that_name\n", "test_a": GOOD}, (), (1, 2)),
    "nothing collected": ({"test_a": "x = 1\n"}, (), (2,)),
    "nothing selected": ({"test_a": GOOD}, ("--", "-k", "no_such_test"), (2,)),
    "only skipped": ({"test_a": "import pytest\n@pytest.mark.skip\ndef test_s(): ...\n"}, (), (2,)),
    "sys.exit(0) in a test": ({"test_a": GOOD + "def test_exit():\n    import sys; sys.exit(0)\n"}, (), (1, 2)),
    "sys.exit(0) on import": ({"test_a": GOOD, "test_b": "import sys; sys.exit(0)\n"}, (), (1, 2)),
    "os._exit(0) in the last test": ({"test_a": GOOD + "def test_z():\n    import os; os._exit(0)\n"}, (), (1, 2)),
    "os._exit(0) on import": ({"test_a": "import os; os._exit(0)\n" + GOOD}, (), (1, 2)),
    "killed in the last test": (
        {"test_a": GOOD + "def test_z():\n    import os; os.kill(os.getpid(), 9)\n"},
        (),
        (1, 2),
    ),
    "an expression that pytest cannot read": ({"test_a": GOOD}, ("--", "-k", "("), (2,)),
    "an option that pytest does not know": ({"test_a": GOOD}, ("--", "--no-such-option"), (2, 3)),
    "a class that is not there": ({"test_a": GOOD}, ("test_a.py::TestGone",), (1, 2)),
    "a node id that is not there": ({"test_a": GOOD}, ("test_a.py::test_gone",), (1, 2)),
}


@pytest.mark.parametrize("name", TRUST)
def test_trouble_is_never_a_pass(name: str, project: Path) -> None:
    files, words, codes = TRUST[name]
    write(project, **files)
    done = tes(project, *words)
    assert done.returncode in codes, done.stdout + done.stderr
    assert "PASS shop" not in done.stdout
    assert "Traceback (most recent call last)" not in done.stderr


def test_what_a_terminal_cannot_show_does_not_end_a_run(project: Path) -> None:
    write(project, test_a="def test_s(): assert 0, 'caf\\xe9 \\udc80'\n")
    done = tes(project, LC_ALL="C", PYTHONIOENCODING="ascii")
    assert done.returncode == 1 and "1 failed" in done.stdout and "caf\\xe9 \\udc80" in done.stdout, done.stderr


def test_a_home_that_cannot_be_written_is_4_and_names_the_setting(project: Path, tmp_path: Path) -> None:
    write(project, test_a=GOOD)
    (tmp_path / "file").touch()
    done = tes(project, TES_HOME=str(tmp_path / "file" / "home"))
    assert done.returncode == 4 and "TES_HOME" in done.stderr and "Traceback" not in done.stderr


def test_a_path_that_is_not_there_is_3(project: Path) -> None:
    done = tes(project, "no/such/place")
    assert done.returncode == 3 and "no/such/place is not there" in done.stderr and "fix:" in done.stderr


@pytest.mark.parametrize("words", [("--workers", "0"), ("--workers", "many"), ("--retries", "-1"), ("--nonsense",)])
def test_a_bad_option_is_3(words: tuple[str, ...], project: Path) -> None:
    write(project, test_a=GOOD)
    done = tes(project, *words)
    assert done.returncode == 3 and "fix:" in done.stderr


def test_an_unknown_suite_is_3_and_names_the_known(project: Path) -> None:
    write(project, test_a=GOOD)
    done = tes(project, "--suite", "unti")
    assert done.returncode == 3 and "one of: tests" in done.stderr


def test_a_project_without_tests_is_inconclusive(project: Path) -> None:
    done = tes(project)
    assert done.returncode == 2 and "none was detected" in done.stdout
    (project / "tes.yaml").write_text("tests: {suites: []}\n")
    code, told = result(project)
    assert (
        code == 2
        and told["outcome"] == "INCONCLUSIVE"
        and told["reasons"] == ["nothing was tested: tests.suites is []"]
    )


def test_an_interpreter_that_is_not_there_is_3(project: Path) -> None:
    write(project, test_a=GOOD)
    (project / "tes.yaml").write_text("tests: {python: ./env/bin/python}\n")
    done = tes(project)
    assert done.returncode == 3 and "'./env/bin/python'" in done.stderr


def test_an_interpreter_without_pytest_is_one_line_with_the_fix(project: Path) -> None:
    write(project, test_a=GOOD)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project / ".venv"], check=True)
    done = tes(project, VIRTUAL_ENV="")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "pytest is not installed in" in done.stderr and "the project's .venv" in done.stderr
    assert f"{project}/.venv/bin/python -m pip install pytest" in done.stderr


COVERED = "tests: {{suites: [{{name: unit, coverage: {{branch: false, fail_under: {}}}}}]}}\n"


@pytest.mark.parametrize(("limit", "code"), [(90, 1), (70, 0)])
def test_coverage_is_held_against_its_limit(limit: int, code: int, project: Path) -> None:
    write(
        project,
        shop="def a():\n    return 1\ndef b():\n    return 2\n",
        test_a=GOOD + "def test_b():\n    import shop\n    shop.a()\n",
    )
    (project / "tes.yaml").write_text(COVERED.format(limit))
    found, told = result(project)
    assert found == code and any("75" in reason for reason in told["reasons"]), told["reasons"]
    assert "not measured" in tes(project, "--", "-k", "good").stdout


def test_what_follows_two_dashes_is_the_runners(project: Path) -> None:
    write(project, test_a=GOOD + BAD, test_b=GOOD)
    assert result(project, "--", "-k", "good")[1]["counts"]["passed"] == 2
    assert result(project, "--", "test_a.py", "-k", "good")[1]["counts"]["passed"] == 1


def test_a_part_of_a_project_runs_inside_it(project: Path) -> None:
    write(project, conftest="import pytest\n@pytest.fixture\ndef price(): return 1\n", test_a=BAD)
    (project / "tests").mkdir()
    (project / "tests/test_b.py").write_text("def test_price(price):\n    assert price == 1\n")
    (project / "tes.yaml").write_text("name: shop\n")
    code, told = result(project, "tests")
    assert code == 0 and told["root"] == str(project) and told["counts"]["passed"] == 1
