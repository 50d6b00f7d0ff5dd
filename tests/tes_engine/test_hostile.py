"""What tests, plugins and disks do to an engine that did not ask for it: never a PASS of what was lost."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tes_engine.journal import Journal, Tail
from tests.tes_engine.driver import argv, begin, end, engine, environment, plain, write
from tests.tes_engine.test_crashes import until

MANY = "".join(f"def test_{n}(): pass\n" for n in range(5))
BOTH = {"test_a.py": MANY, "test_b.py": MANY + "def test_bad(): assert 0\n"}


@pytest.mark.parametrize(
    "spoilt",
    [
        "import os; os.write = lambda *_: 0",
        "import os; os._exit = os.getpid = os.getppid = lambda *_: None",
        "import time; time.time = time.perf_counter = time.sleep = time.monotonic = None",
        "import json; json.dumps = json.loads = json.JSONEncoder.encode = None",
        "import os; os.close(1); os.close(2)",
        "import sys; sys.stdout = sys.stderr = None",
    ],
)
def test_what_a_case_spoils_for_ever_costs_no_result(project: Path, spoilt: str) -> None:
    write(project, {"test_a.py": f"def test_spoils():\n    {spoilt}\n{MANY}"})
    run = engine(project)
    assert len(run.attempts) == 6 and {one[1:] for one in run.attempts} == {(1, "passed")}
    assert run.code == 0 and run.problems == [] and "INTERNALERROR" not in run.printed


def test_two_files_of_one_module_name_come_out_as_in_plain_pytest(project: Path) -> None:
    """Which workers import them must not decide."""
    write(project, {"a/test_x.py": MANY, "b/test_x.py": MANY})
    run = engine(project, "--collect", "parallel")
    assert run.outcomes["b/test_x.py"] == "error" and run.code == 1
    write(project, {"a/__init__.py": "", "b/__init__.py": ""})
    assert engine(project).code == 0


@pytest.mark.parametrize("arguments", [("-p", "no:terminal"), ("--setup-show",)], ids=" ".join)
def test_it_works_without_a_terminals_writer(project: Path, arguments: tuple[str, ...]) -> None:
    write(project, BOTH)
    run = engine(project, arguments=arguments)
    assert run.outcomes == plain(project, *arguments)[0] and run.code == 1 and run.problems == []


def test_a_second_engine_in_the_same_folder_leaves_the_first_alone(project: Path) -> None:
    write(project, {"test_a.py": "import time\ndef test_a(): time.sleep(2)\n"})
    out = project.parent / "out"
    first = begin(project, out)
    try:
        until(lambda: list((out / "journal").glob("gw*")) if (out / "journal").exists() else False)
        second = engine(project, out=out)
        assert second.code == 75 and "another engine is at work" in second.printed
        assert first.wait(30) == 0
    finally:
        end(first)


def test_a_damaged_line_in_the_middle_is_a_problem_and_what_is_whole_is_read(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path), "gw0-1")
    journal.write({"e": "one"})
    with open(journal.path, "ab") as file:
        file.write(b'{"e":"res\n\x00\xff\n[1]\n')
    journal.write({"e": "two"})
    [(_, events)] = Tail(str(tmp_path)).new()
    assert [event["e"] for event in events] == ["one", "problem", "problem", "problem", "two"]
    assert "gw0-1.jsonl is damaged" in events[1]["text"]


def test_a_case_that_writes_into_the_journal_does_not_break_the_run(project: Path) -> None:
    spoil = "import glob\ndef test_spoils():\n    for name in glob.glob('../out/journal/gw*'):\n"
    spoil += "        open(name, 'ab').write(b'\\x00 nonsense\\n')\n"
    write(project, {"test_a.py": spoil + MANY, "test_b.py": MANY})
    run = engine_only(project)
    assert run.returncode == 0 and "11 passed" in run.stdout and "INTERNALERROR" not in run.stdout


def engine_only(project: Path, *options: str, limit: str = "") -> subprocess.CompletedProcess[str]:
    command = argv(project.parent / "out", *options, arguments=())
    shell = ["sh", "-c", f'{limit}; exec "$@"', "sh", *command] if limit else command
    return subprocess.run(shell, cwd=project, env=environment(), capture_output=True, text=True, timeout=60)


def test_where_the_journal_cannot_be_made_it_says_so(project: Path) -> None:
    write(project, BOTH)
    (project.parent / "out").write_text("a file stands here")
    run = engine_only(project)
    assert run.returncode == 74 and "the journal cannot be written" in run.stderr and "Traceback" not in run.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("name", ["gw", "main"])
def test_a_full_disk_ends_the_run_and_is_no_fault_of_a_case(project: Path, name: str) -> None:
    write(project, {"test_a.py": MANY})
    folder = project.parent / "out" / "journal"
    conftest = f"""
        import os
        def pytest_collection(session):
            where = {str(folder)!r}
            for one in os.listdir("/proc/self/fd"):
                if os.path.realpath("/proc/self/fd/" + one).startswith(os.path.join(where, "{name}")):
                    os.dup2(os.open("/dev/full", os.O_WRONLY), int(one))
        def pytest_runtest_setup(item): pytest_collection(item.session)
        """
    write(project, {"conftest.py": conftest})
    run = engine_only(project)
    told = run.stdout + run.stderr
    assert run.returncode in (2, 74) and "the journal cannot be written" in told and "crashed" not in told


def test_what_a_plugin_drops_without_a_word_is_told(project: Path) -> None:
    drop = "def pytest_collection_modifyitems(items):\n    items[:] = [i for i in items if 'bad' not in i.name]\n"
    write(project, {**BOTH, "conftest.py": drop})
    for options in ((), ("--collect", "parallel"), ("--start", "process")):
        run = engine(project, *options)
        assert any("1 case(s) were dropped by a plugin" in note and "test_bad" in note for note in run.notes)
        assert "10 passed, 1 deselected" in run.printed and run.code == 0


def test_a_plugin_that_runs_cases_in_its_own_way_is_told(project: Path) -> None:
    conftest = "import pytest\n@pytest.hookimpl(tryfirst=True)\ndef pytest_pyfunc_call(pyfuncitem): return True\n"
    write(project, {**BOTH, "conftest.py": conftest})
    assert any("pytest_pyfunc_call in conftest.py:2" in note for note in engine(project).notes)


def test_a_failure_that_is_swallowed_around_the_function_is_a_problem(project: Path) -> None:
    conftest = "import pytest\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_pyfunc_call(pyfuncitem):\n"
    write(project, {**BOTH, "conftest.py": conftest + "    (yield).force_result(True)\n"})
    assert any("test_bad raised AssertionError" in problem for problem in engine(project).problems)


def test_a_case_with_a_failed_subtest_fails_once_and_is_told_as_in_plain_pytest(project: Path) -> None:
    if not hasattr(pytest, "Subtests"):
        pytest.skip("pytest 9 has subtests")
    body = (
        "def test_s(subtests):\n    for i in range(3):\n        with subtests.test(i=i):\n            assert i != 1\n"
    )
    write(project, {"test_a.py": body + MANY})
    _, printed = plain(project)
    run = engine(project)
    assert [one for one in run.attempts if one[2] != "passed"] == [("test_a.py::test_s", 1, "failed")]
    counts = printed.splitlines()[-1].strip("= ").rpartition(" in ")[0]
    assert counts in run.printed and "contains 1 failed subtest" in run.printed


def test_a_plugin_that_breaks_down_at_the_end_is_named(project: Path) -> None:
    write(project, {"test_a.py": MANY, "conftest.py": "def pytest_sessionfinish():\n    raise RuntimeError('no')\n"})
    run = engine(project)
    assert run.code == 3 and run.problems == [
        "pytest broke down: RuntimeError: no in conftest.py:2 (pytest_sessionfinish)"
    ]


@pytest.mark.parametrize("where", ["in", "not in"])
def test_a_plugin_that_breaks_the_run_is_named(project: Path, where: str) -> None:
    conftest = "import os\ndef pytest_runtest_logreport(report):\n"
    conftest += f"    if 'PYTEST_XDIST_WORKER' {where} os.environ:\n        raise RuntimeError('no')\n"
    write(project, {"test_a.py": "def test_a(): pass\n", "conftest.py": conftest})
    told = json.dumps(engine(project).events)
    assert "broke down: RuntimeError: no in conftest.py:4 (pytest_runtest_logreport)" in told


def test_a_failure_that_can_be_repeated_does_not_end_the_run(project: Path) -> None:
    once = "import os\ndef test_once():\n    if not os.path.exists('flag'):\n        open('flag', 'w').close()\n"
    write(project, {"test_a.py": once + "        assert 0\n" + MANY})
    run = engine(project, "--retries", "1", arguments=("-x",))
    assert [one[1:] for one in run.attempts if "once" in one[0]] == [(1, "failed"), (2, "passed")]
    assert len(run.outcomes) == 6 and run.code == 0


def test_a_case_that_asks_the_session_to_stop_is_heard(project: Path) -> None:
    stop = "def pytest_runtest_teardown(item):\n    item.session.shouldstop = 'enough of it'\n"
    write(project, {**BOTH, "conftest.py": stop})
    run = engine(project)
    assert run.code == 2 and run.of("end")[0]["stopped"] == "enough of it"
