"""What a change can affect runs, what it cannot is quoted, and what nobody can know runs: with the real engine, on a
project of five files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks._mutants import mutants
from domain.errors import SpecError
from tasks import impact
from tasks.impact_absorb import Absorbed, results
from tests.tasks.impact_project import Project, names
from toolchain.engine_argv import engine_argv

FILES = {
    "conftest.py": (
        "import pytest\n\n@pytest.fixture(scope='session')\ndef table():\n"
        "    from shop.prices import load\n    return load()\n"
    ),
    "shop/__init__.py": "",
    "shop/limits.py": "LOWEST = 1\n\ndef low(x):\n    return x < LOWEST\n",
    "shop/prices.py": (
        "import functools, pathlib\nfrom shop.limits import low\n\n_held = None\n\n"
        "def load():\n    return pathlib.Path(__file__).with_name('prices.txt').read_text().split()\n\n"
        "def rate():\n    return 2\n\n"
        "def held():\n    global _held\n    if _held is None:\n        _held = rate()\n    return _held\n\n"
        "@functools.lru_cache\ndef kept(x):\n    return deep(x)\n\ndef deep(x):\n    return x * 10\n\n"
        "def twice(x):\n    return x * held()\n\ndef cheap(x):\n    return low(x)\n\nSIZE = deep(1)\n"
    ),
    "shop/prices.txt": "3 4 5\n",
    "tests/test_prices.py": (
        "from shop import prices\n\ndef test_table(table):\n    assert table == ['3', '4', '5']\n\n"
        "def test_twice():\n    assert prices.twice(2) == 4\n\n"
        "def test_twice_again():\n    assert prices.twice(3) == 6\n\n"
        "def test_cheap():\n    assert prices.cheap(0)\n\ndef test_size():\n    assert prices.SIZE == 10\n"
    ),
    "tests/test_other.py": (
        "import os\n\ndef test_alone():\n    assert os.sep\n\n"
        "def test_lists():\n    assert os.listdir('shop')\n"
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with everything run and taken in, once."""
    made = Project.made(tmp_path_factory.mktemp("impact"), FILES)
    planned, absorbed, outcomes = made.run()
    assert planned.run is None and planned.everything == "nothing is recorded yet"
    assert set(outcomes.values()) == {"passed"} and len(outcomes) == 7
    assert absorbed == Absorbed(recorded=7, doubted=0, misses=())
    return made


@pytest.fixture
def project(recorded: Project, tmp_path: Path) -> Project:
    """A copy of it: the files' inodes are others, so their contents are looked at."""
    shutil.copytree(recorded.root.parent, tmp_path / "copy")
    return Project(tmp_path / "copy/project", tmp_path / "copy/store.sqlite3", tmp_path / "copy/out")


def test_nothing_changed_runs_nothing_and_all_is_quoted(project: Project) -> None:
    planned = project.plan()
    assert planned.run == () and planned.counts() == {"passed": 7}
    assert all(attempt.reused for attempt in planned.attempts("unit"))


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("shop/prices.py", "low(x)\n", "low(x) or False\n", {"test_cheap"}),
        ("shop/prices.py", "def cheap", "# a comment\n\n\ndef cheap", set()),
        ("shop/prices.py", "return x * held()", "return held() * x", {"test_twice", "test_twice_again"}),
        # Lazily initialised: the second of the two never executes it.
        ("shop/prices.py", "return 2", "return 1 + len('1')", {"test_twice", "test_twice_again"}),
        # Executed while importing: belongs to everybody who imports.
        ("shop/prices.py", "return x * 10", "return 10 * x", {"test_prices.py", "test_lists", "test_alone"}),
        ("shop/limits.py", "x < LOWEST", "LOWEST > x", {"test_cheap"}),
        ("shop/limits.py", "LOWEST = 1", "LOWEST = 2", {"test_prices.py", "test_lists", "test_alone"}),
        # A data file, read in a wider fixture.
        ("shop/prices.txt", "3", "9", {"test_table"}),
        ("tests/test_other.py", "assert os.sep", "assert os.sep == '/'", {"test_alone"}),
    ],
)
def test_what_a_change_can_affect_runs(project: Project, name: str, old: str, new: str, expected: set[str]) -> None:
    project.change(name, old, new)
    planned = project.plan()
    found = names(planned)
    if expected >= {"test_prices.py"}:  # the conftest imports it too, for all
        assert planned.run is not None and not planned.reused
    else:
        assert found == expected
        assert len(planned.reused) == 7 - len(expected)


def test_a_file_that_came_newly_runs_and_changes_who_listed_its_folder(project: Project) -> None:
    (project.root / "tests/test_new.py").write_text("def test_new():\n    pass\n")
    assert names(project.plan()) == {"test_new.py"}
    (project.root / "shop/more.txt").write_text("")
    assert names(project.plan()) == {"test_new.py", "test_lists"}


def test_a_new_conftest_runs_all_below_it(project: Project) -> None:
    (project.root / "tests/conftest.py").write_text("")
    assert not project.plan().reused


def test_a_new_module_runs_those_who_name_it(project: Project) -> None:
    (project.root / "os.py").write_text("")
    assert names(project.plan()) == {"test_other.py"}


def test_what_failed_runs_until_it_passes(project: Project) -> None:
    project.change("shop/prices.py", "low(x)\n", "not low(x)\n")
    _, _, outcomes = project.run()
    assert outcomes == {"tests/test_prices.py::test_cheap": "failed"}
    again = project.plan()
    assert names(again) == {"test_cheap"} and again.reasons == {"failed": 1}
    project.change("shop/prices.py", "not low(x)\n", "low(x)\n")
    project.run()
    assert project.plan().run == ()


def test_a_test_that_is_gone_is_neither_run_nor_quoted(project: Project) -> None:
    (project.root / "tests/test_other.py").unlink()
    planned = project.plan()
    assert planned.run == () and len(planned.reused) == 5
    assert len(project.plan().reused) == 5


def test_what_was_to_run_and_did_not_runs_next_time(project: Project) -> None:
    """A run that was killed leaves no result: the plan is the same again."""
    project.change("shop/prices.py", "low(x)\n", "low(x) or False\n")
    planned = project.plan()
    project.out.joinpath("journal/main.jsonl").write_text("")
    for file in [*project.out.glob("journal/gw*"), *project.out.glob("impact/*")]:
        file.unlink()
    impact.absorb(project.out, planned)
    assert names(project.plan()) == {"test_cheap"}


def test_a_file_that_changes_while_the_tests_run_is_no_evidence(project: Project) -> None:
    planned = project.plan()
    project.change("tests/test_other.py", "assert os.sep", "assert os.sep == '/'")
    impact.absorb(project.out, impact.whole(planned))
    assert {"test_alone"} <= names(project.plan()) | {"test_alone" if "test_other.py" in names(project.plan()) else ""}


@pytest.mark.parametrize("change", ["interpreter", "variable", "settings", "broken store"])
def test_under_other_conditions_everything_runs(project: Project, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if change == "variable":
        monkeypatch.setenv("SHOP_MODE", "other")
    elif change == "settings":
        (project.root / "pytest.ini").write_text("[pytest]\n")
    elif change == "broken store":
        project.store.write_bytes(b"no database" * 1000)
    python = Path("/bin/sh") if change == "interpreter" else Path(sys.executable)
    planned = impact.plan(project.root, project.store, impact.conditions(python, {}, os.environ))
    assert planned.run is None and planned.everything


def test_misses_of_a_whole_run_are_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody could see (here: a file outside of the project) shows when everything runs."""
    outside = project.root.parent / "outside.txt"
    outside.write_text("1")
    project.change("tests/test_other.py", "assert os.sep", f"assert open({str(outside)!r}).read() == '1'")
    project.run()
    outside.write_text("2")
    assert project.plan().run == ()
    _, absorbed, _ = project.run(whole=True)
    assert absorbed.misses == ("tests/test_other.py::test_alone",)


def test_against_a_git_revision_what_differs_from_it_runs(project: Project) -> None:
    def git(*words: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *identity, *words], cwd=project.root, check=True, capture_output=True)

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    project.change("shop/prices.py", "low(x)\n", "low(x) or False\n")
    project.run()
    assert project.plan().run == ()
    assert names(project.plan("HEAD")) == {"test_cheap"}
    with pytest.raises(SpecError, match="no such revision"):
        project.plan("nowhere")


def test_of_mutants_every_case_whose_outcome_changes_is_selected(project: Project) -> None:
    before = {case.id: case.status for case in project.plan().reused}
    killed = 0
    for mutant in mutants(project.root, ["shop/prices.py", "shop/limits.py"], 8, seed=5):
        path = project.root / mutant.path
        original, stat = path.read_text(), path.stat()
        path.write_text(mutant.source)
        planned = project.plan()
        out = project.out.with_name("mutant")
        words = ["-q", "-p", "no:cacheprovider", f"--rootdir={project.root}"]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        argv = engine_argv(sys.executable, out, words, workers=1)
        subprocess.run(argv, cwd=project.root, env=environment, capture_output=True, check=False, timeout=120)
        after, _ = results(out / "journal")
        path.write_text(original)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        changed = {name for name, status in before.items() if name not in after or after[name].status != status}
        killed += bool(changed)
        assert changed.isdisjoint(case.id for case in planned.reused), mutant
        shutil.rmtree(out)
    assert killed >= 3


@pytest.mark.parametrize("where", ["import", "session"])
def test_after_a_process_that_conftest_started_any_change_runs_all(project: Project, where: str) -> None:
    start = "import subprocess, sys\n{}subprocess.run([sys.executable, '-c', 'import shop.limits'])\n"
    if where == "session":
        start = start.format("@pytest.fixture(scope='session', autouse=True)\ndef started():\n    ")
    else:
        start = start.format("")
    project.change("conftest.py", "import pytest\n", f"import pytest\n{start}")
    project.run(whole=True)
    assert project.plan().run == ()
    project.change("shop/prices.py", "low(x)\n", "low(x) or False\n")
    assert len(project.plan().why) == 7
