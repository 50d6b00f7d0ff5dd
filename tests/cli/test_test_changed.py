"""`tes test --changed`: what is quoted, what runs, and how soon the answer comes when nothing changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.testing.unchanged import quoted
from domain.cases import SuiteReport, judge
from domain.impact import Stored
from domain.spec import Suite
from tasks.impact import Seen, Selection
from tests.cli.tes_driver import result, tes

SHOP = "def price(n):\n    return n * 2\n\n\ndef tax(n):\n    return n / 10\n"
TESTS = """
import shop
def test_price():
    assert shop.price(2) == 4
def test_tax():
    assert shop.tax(10) == 1
"""


def test_only_what_a_change_touches_runs_and_the_rest_is_shown_as_reused(project: Path) -> None:
    (project / "shop.py").write_text(SHOP)
    (project / "test_shop.py").write_text(TESTS)
    code, told = result(project, "--changed")
    assert code == 0 and (told["counts"]["passed"], told["counts"]["reused"]) == (2, 0)
    code, told = result(project, "--changed", "--cases")
    assert code == 0 and told["workers"] == 0 and told["counts"]["reused"] == 2
    assert all(case["reused"] for case in told["cases"]) and "all of them reused" in told["reasons"][0]
    (project / "shop.py").write_text(SHOP.replace("n / 10", "n / 5"))
    code, told = result(project, "--changed", "--cases")
    assert code == 1 and (told["counts"]["failed"], told["counts"]["reused"]) == (1, 1)
    assert {case["id"]: case["reused"] for case in told["cases"]} == {
        "test_shop.py::test_price": True,
        "test_shop.py::test_tax": False,
    }
    # What failed runs again, though nothing changed since.
    code, told = result(project, "--changed")
    assert code == 1 and told["counts"]["reused"] == 1
    code, told = result(project, "--changed", "--all")
    assert code == 1 and told["counts"]["reused"] == 0


def test_what_selection_would_have_missed_is_a_number_with_names(project: Path) -> None:
    """A file outside of the project is what nobody sees."""
    outside = project.parent / "outside.txt"
    outside.write_text("1")
    (project / "test_a.py").write_text(
        f"def test_a(): assert open({str(outside)!r}).read() == '1'\ndef test_b(): ...\n"
    )
    _, told = result(project, "--all")  # records, by itself
    assert (told["misses"], told["compared"]) == (0, 0)
    outside.write_text("2")
    _, told = result(project, "--changed")
    assert told["misses"] is None and told["counts"]["reused"] == 2
    code, told = result(project, "--all")
    assert code == 1 and (told["misses"], told["compared"]) == (1, 2) and told["missed"] == ["test_a.py::test_a"]
    outside.write_text("1")
    assert "changed   0 of 1 results that would have been quoted" in tes(project, "--changed", "--all").stdout


def test_nothing_slow_is_loaded_when_nothing_changed(project: Path) -> None:
    (project / "test_shop.py").write_text("def test_a(): ...\n")
    assert tes(project, "--changed").returncode == 0
    done = subprocess.run(
        [sys.executable, "-X", "importtime", Path(sys.executable).with_name("tes"), "test", "--changed"],
        cwd=project,
        env=dict(os.environ),
        capture_output=True,
        text=True,
    )
    assert "1 of them reused" in done.stdout
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not loaded & {"pydantic", "rich", "prefect", "ruamel.yaml", "sqlmodel", "asyncio"}


def test_a_revision_that_git_does_not_know_is_3(project: Path) -> None:
    (project / "test_shop.py").write_text(TESTS)
    (project / "shop.py").write_text(SHOP)
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    tes(project, "--changed")
    done = tes(project, "--base", "no-such-revision")
    assert done.returncode == 3 and "no-such-revision" in done.stderr


@pytest.mark.parametrize("words", [("--changed", "--base", "main"), ("--base", "main", "--all")])
def test_a_base_without_git_is_refused_before_anything_is_recorded(project: Path, words: tuple[str, ...]) -> None:
    (project / "test_shop.py").write_text("def test_a(): ...\n")
    done = tes(project, *words)
    assert done.returncode == 3 and "is in no git repository" in done.stderr
    assert "leave --base out" in done.stderr


STATUSES = [
    ["passed"],
    ["skipped"],
    ["xfailed"],
    ["xpassed"],
    ["passed", "skipped"],
    [],
    ["failed", "passed"],
    ["error"],
]


@pytest.mark.parametrize("statuses", STATUSES, ids=" ".join)
def test_quoted_results_come_to_what_the_judge_says(statuses: list[str], tmp_path: Path) -> None:
    stored = tuple(
        Stored(id=f"a.py::{n}", file="a.py", classname="", name=str(n), status=status, seconds=1.0, message="")
        for n, status in enumerate(statuses)
    )
    planned = Selection(tmp_path, tmp_path, {}, Seen({}), run=(), reused=stored)
    said = quoted(Suite().model_dump(mode="json"), planned)
    verdict = judge(SuiteReport(suite="tests", attempts=planned.attempts("tests")))
    assert said.outcome is verdict.outcome and said.verdict["gate"] == verdict.gate
    assert said.numbers["reused"] == len(statuses)


BEFORE = """
import subprocess, sys
def started(argv, **how):
    assert argv[1].endswith("boot.py")
    print(*sorted(sys.modules), sep="\\n")
    sys.exit(0)
subprocess.Popen = started
from cli.main import main
main(["test"])
"""


def test_nothing_slow_is_loaded_before_the_engine_has_started(project: Path) -> None:
    """Where the project was seen before. It is what keeps the engine's start below 80 ms after our own."""
    (project / "test_shop.py").write_text("def test_a(): ...\n")
    assert tes(project).returncode == 0
    done = subprocess.run(
        [sys.executable, "-c", BEFORE], cwd=project, env=dict(os.environ), capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "tasks.suite_run" in loaded
    slow = {
        "pydantic",
        "rich",
        "prefect",
        "ruamel",
        "asyncio",
        "hashlib",
        "shutil",
        "dataclasses",
        "inspect",
        "logging",
    }
    assert loaded & slow == set()
