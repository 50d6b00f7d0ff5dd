"""The engine says of each case what plain pytest says, however its workers start and whoever collects."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tes_engine.driver import engine, plain, write

MODES = [(), ("--collect", "once"), ("--start", "process"), ("--start", "process", "--collect", "once")]

EVERYTHING = {
    "pytest.ini": "[pytest]\naddopts = -n 4 --dist load -ra\nmarkers =\n    slow: takes a while\n",
    "conftest.py": """
        import pytest
        @pytest.fixture(scope="session")
        def shared():
            yield []
        @pytest.fixture
        def late():
            yield
            raise RuntimeError("tear-down fails")
        """,
    "pkg/__init__.py": "",
    "pkg/conftest.py": "import pytest\n@pytest.fixture(autouse=True, scope='package')\ndef around():\n    yield\n",
    "pkg/test_in_package.py": "def test_there(): pass\n",
    "test_all.py": """
        import sys, unittest, warnings
        import pytest
        class TestA:
            class TestB:
                @pytest.mark.parametrize("n", [1, "a b", "c::d", "\\u00e9", "[x]"])
                def test_many(self, n): assert n != "a b", "no blanks"
        def test_skip(): pytest.skip("not today")
        @pytest.mark.xfail(reason="known")
        def test_xfail(): assert False
        @pytest.mark.xfail
        def test_xpass(): pass
        @pytest.mark.xfail(strict=True)
        def test_strict(): pass
        @pytest.fixture
        def broken(): raise RuntimeError("no fixture")
        def test_setup(broken): pass
        def test_teardown(late): pass
        def test_both(late): assert False
        def test_exit(): sys.exit(0)
        def test_output(capsys):
            print("heard")
            assert capsys.readouterr().out == "heard\\n"
        def test_printed():
            print("said before it failed")
            assert 0
        def test_warns(): warnings.warn("old", DeprecationWarning)
        @pytest.mark.slow
        def test_slow(shared): shared.append(1)
        class TestUnit(unittest.TestCase):
            @classmethod
            def setUpClass(cls): cls.made = 1
            def test_one(self): self.assertEqual(self.made, 1)
            def test_two(self): self.fail("no")
            @unittest.skip("never")
            def test_three(self): pass
            @unittest.expectedFailure
            def test_four(self): self.fail()
        """,
    "test_class.py": """
        import pytest
        class TestOrder:
            seen = []
            @pytest.fixture(scope="class", autouse=True)
            def once(self):
                self.seen.append("set up")
                yield
            def test_a(self): assert self.seen == ["set up"]
            def test_b(self): assert self.seen == ["set up"]
        """,
    "test_module_skipped.py": "import pytest\npytest.skip('not here', allow_module_level=True)\ndef test_x(): pass\n",
    "test_doc.py": 'def add(a, b):\n    """\n    >>> add(1, 2)\n    3\n    """\n    return a + b\n',
}


@pytest.mark.parametrize("options", MODES, ids=lambda options: " ".join(options) or "as it is")
def test_each_case_comes_out_as_in_plain_pytest(project: Path, options: tuple[str, ...]) -> None:
    write(project, EVERYTHING)
    wanted, _ = plain(project, "--doctest-modules", "-o", "addopts=")
    run = engine(project, *options, arguments=("--doctest-modules",))
    got = {name: outcome for name, outcome in run.outcomes.items() if "test_module_skipped" not in name}
    assert got == wanted
    assert run.outcomes["test_module_skipped.py"] == "skipped"
    assert len(run.attempts) == len(wanted), "each case once"
    assert run.code == 1 and run.problems == []
    assert any("-n 4" in note for note in run.notes)
    failed = next(event for event in run.of("result") if event["name"] == "test_printed")
    assert "assert 0" in failed["out"] and "said before it failed" in failed["out"]


def test_the_summary_is_that_of_plain_pytest(project: Path) -> None:
    write(project, EVERYTHING)
    _, printed = plain(project, "--durations=3", "-o", "addopts=", "-ra")
    run = engine(project, arguments=("--durations=3",))

    def told(text: str) -> list[str]:
        """The short summary, the warnings and the last line's counts, in any order and without times."""
        lines = text.splitlines()
        start = next(i for i, line in enumerate(lines) if "short test summary info" in line)
        counts = lines[-1].strip("= ").rpartition(" in ")[0]
        return [*sorted(lines[start + 1 : -1]), counts]

    assert told(run.printed) == told(printed)
    assert "DeprecationWarning: old" in run.printed and "slowest 3 durations" in run.printed


@pytest.mark.parametrize(
    ("arguments", "ran"),
    [
        (("-k", "good"), {"test_a.py::test_good", "test_b.py::test_good"}),
        (("-m", "not slow"), {"test_a.py::test_good", "test_b.py::test_good", "test_b.py::test_bad"}),
        (("--deselect", "test_b.py::test_bad", "test_b.py"), {"test_b.py::test_good"}),
        (("test_b.py::test_bad",), {"test_b.py::test_bad"}),
        (("--ignore", "test_a.py"), {"test_b.py::test_good", "test_b.py::test_bad"}),
    ],
)
def test_selection_as_in_plain_pytest(project: Path, arguments: tuple[str, ...], ran: set[str]) -> None:
    write(
        project,
        {
            "test_a.py": "import pytest\ndef test_good(): pass\n@pytest.mark.slow\ndef test_slow(): pass\n",
            "test_b.py": "def test_good(): pass\ndef test_bad(): assert 0\n",
        },
    )
    wanted, _ = plain(project, *arguments)
    run = engine(project, arguments=arguments)
    assert set(run.outcomes) == ran == set(wanted) and run.problems == []


def test_the_last_failed_run_again_alone(project: Path) -> None:
    write(
        project, {"test_a.py": "def test_good(): pass\n", "test_b.py": "def test_x(): pass\ndef test_bad(): assert 0\n"}
    )
    engine(project)
    run = engine(project, arguments=("--lf",))
    assert run.outcomes == {"test_b.py::test_bad": "failed"} and run.problems == []


@pytest.mark.parametrize("options", [(), ("--start", "process")])
def test_the_first_failure_ends_it_when_asked(project: Path, options: tuple[str, ...]) -> None:
    text = "import time\ndef test_bad(): assert 0\n" + "".join(f"def test_{n}(): time.sleep(0.2)\n" for n in range(30))
    write(project, {"test_a.py": text})
    run = engine(project, *options, arguments=("-x",))
    assert run.code == 1 and run.outcomes["test_a.py::test_bad"] == "failed"
    assert len(run.outcomes) < 20 and "stopping after 1 failures" in run.printed
    assert run.of("end")[0]["collected"] == 31 > run.of("end")[0]["ran"]


def test_nothing_collected_has_the_exit_code_of_plain_pytest(project: Path) -> None:
    write(project, {"test_a.py": "x = 1\n"})
    assert engine(project).code == 5
    assert engine(project, arguments=("nowhere",)).code == 4


def test_a_folder_given_by_name_and_a_file_within_run_each_case_once(project: Path) -> None:
    write(project, {"tests/test_a.py": "def test_a(): pass\n", "tests/sub/test_b.py": "def test_b(): pass\n"})
    run = engine(project, arguments=("tests", "tests/sub/test_b.py"))
    assert run.attempts == [("tests/sub/test_b.py::test_b", 1, "passed"), ("tests/test_a.py::test_a", 1, "passed")]


def test_a_child_that_a_test_forks_and_lets_go_on_has_no_say(tmp_path: Path) -> None:
    text = "import os, time\ndef test_f():\n    if os.fork():\n        time.sleep(0.3)\n        assert False\n"
    write(tmp_path / "p", {"test_a.py": text + "def test_after(): pass\n"})
    run = engine(tmp_path / "p")
    assert run.attempts == [("test_a.py::test_after", 1, "passed"), ("test_a.py::test_f", 1, "failed")]


@pytest.mark.parametrize(
    "hook, problem",
    [
        ("def pytest_runtest_logreport(report):\n    report.outcome = 'passed'\n", "changed its report into passed"),
        (
            "import pytest\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item, call):\n"
            "    report = (yield).get_result()\n    if report.failed:\n"
            "        report.outcome, report.longrepr = 'skipped', ('a', 1, 'b')\n",
            "a plugin reported that it was skipped",
        ),
    ],
    ids=["changed after it was reported", "into a skip"],
)
def test_a_failure_that_a_plugin_makes_disappear_is_a_problem(tmp_path: Path, hook: str, problem: str) -> None:
    write(tmp_path / "p", {"conftest.py": hook, "test_a.py": "def test_a(): pass\ndef test_b(): assert False\n"})
    run = engine(tmp_path / "p")
    assert [text for text in run.problems if problem in text and "test_b" in text]


def test_two_cases_of_the_same_name_are_two_cases(project: Path) -> None:
    conftest = """
        import pytest
        def pytest_collect_file(file_path, parent):
            if file_path.suffix == ".list":
                return Lines.from_parent(parent, path=file_path)
        class Lines(pytest.File):
            def collect(self):
                for line in self.path.read_text().split():
                    yield Line.from_parent(self, name="same", word=line)
        class Line(pytest.Item):
            def __init__(self, *, word, **more):
                super().__init__(**more)
                self.word = word
            def runtest(self): assert self.word != "bad"
        """
    write(project, {"conftest.py": conftest, "a.list": "good bad good", "test_a.py": "def test_a(): pass\n"})
    run = engine(project)
    assert run.outcomes == {
        "a.list::same": "passed",
        "a.list::same (#2)": "failed",
        "a.list::same (#3)": "passed",
        "test_a.py::test_a": "passed",
    }
    assert run.code == 1 and run.problems == []


def test_a_project_without_the_cache_is_not_warned_of_where_it_would_be(project: Path) -> None:
    ini = "[pytest]\naddopts = -p no:cacheprovider\nfilterwarnings = error\n"
    write(project, {"pytest.ini": ini, "test_a.py": "def test_a(): pass\n"})
    run = engine(project, arguments=("-o", "cache_dir=elsewhere"))
    assert run.outcomes == {"test_a.py::test_a": "passed"} and run.code == 0
