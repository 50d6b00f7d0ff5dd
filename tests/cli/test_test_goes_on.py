"""`tes test` goes on where it was stopped or killed, and what is finished reaches the records."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.spool import waiting
from tests.cli.tes_driver import BAD, GOOD, TES, result, tes, until, write

LONG = """
import pathlib, time
RAN = pathlib.Path(__file__).parent.parent / "ran"
def test_first():
    with RAN.open("a") as file: file.write("first ")
def test_long():
    with RAN.open("a") as file: file.write("long ")
    if not RAN.with_name("quick").exists(): time.sleep(60)
"""


def stopped(project: Path, *words: str, by: int = signal.SIGINT) -> tuple[int, str]:
    """`tes test`, stopped by a signal in its long test."""
    process = subprocess.Popen(
        [TES, "test", *words],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    until(lambda: "long" in ran(project))
    os.killpg(process.pid, by)
    _, told = process.communicate(timeout=50)  # less than its test would take
    (project.parent / "quick").touch()
    return process.returncode, told


def ran(project: Path) -> list[str]:
    path = project.parent / "ran"
    return path.read_text().split() if path.exists() else []


def test_after_ctrl_c_the_next_run_goes_on_and_shows_what_it_takes_over(project: Path) -> None:
    write(project, test_a=LONG)
    code, told = stopped(project)
    assert code == 130 and "stopped" in told and "kept" in told
    done = tes(project, "--workers", "1")
    assert "is not gone on with: the options changed" in done.stdout and len(ran(project)) == 4
    (project.parent / "quick").unlink()
    (project.parent / "ran").unlink()
    assert stopped(project)[0] == 130
    done = tes(project)
    assert "which was stopped (1 passed): what it finished counts, shown as reused; --all" in done.stdout
    assert "PASS shop: 2 passed, 1 of them reused in" in done.stdout and done.returncode == 0
    assert ran(project) == ["first", "long", "long"]
    assert "goes on" not in tes(project).stdout and len(ran(project)) == 5, "that run came to its end"


@pytest.mark.parametrize(
    "change, why",
    [
        (lambda project: write(project, test_a=LONG + GOOD), "test_a.py changed"),
        (lambda project: write(project, test_b=GOOD), "test_b.py changed"),
        (lambda project: (project / ".env").touch(), ".env changed"),
        (lambda project: os.environ.update(SHOP="2"), "the environment changed"),
    ],
)
def test_after_ctrl_c_a_run_of_other_things_begins_afresh_and_says_why(
    project: Path, change: Callable[[Path], object], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP", "1")
    write(project, test_a=LONG)
    stopped(project)
    change(project)
    done = tes(project)
    assert done.returncode == 0 and "reused" not in done.stdout and ran(project) == ["first", "long"] * 2
    assert f"afresh    the last run, which was stopped (1 passed), is not gone on with: {why}\n" in done.stdout


def test_all_starts_afresh(project: Path) -> None:
    write(project, test_a=LONG)
    stopped(project)
    done = tes(project, "--all")
    assert "is not gone on with: --all" in done.stdout and "2 passed in" in done.stdout


def test_a_run_whose_process_was_killed_is_gone_on_with_and_its_failures_count(project: Path) -> None:
    write(project, test_a=LONG + BAD, test_b="def test_b(): assert 0\n")
    (project / "tes.yaml").write_text("tests: {suites: [{name: b, paths: [test_b.py]}, {name: a, paths: [test_a.py]}]}")
    stopped(project, by=signal.SIGKILL)
    code, told = result(project, "--cases")
    assert code == 1 and told["counts"]["failed"] == 2 and told["counts"]["passed"] == 2
    # The other worker may have had the time for test_bad, or not.
    reused = {case["name"]: case["reused"] for case in told["cases"] if case["name"] != "test_bad"}
    assert reused == {"test_b": True, "test_first": True, "test_long": False}


def test_a_finished_run_reaches_the_records_by_itself(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TES_RECORD", "1")
    write(project, test_a=GOOD + BAD)
    _, told = result(project)
    listed = subprocess.run([TES, "runs", "--json"], capture_output=True, text=True, check=True)
    assert not listed.stderr
    (run,) = json.loads(listed.stdout)
    assert (run["id"], run["kind"], run["state"], run["outcome"]) == (told["run"], "test", "finished", "FAIL")
    shown = subprocess.run([TES, "show", run["id"], "--json"], capture_output=True, text=True, check=True)
    assert [case["name"] for case in json.loads(shown.stdout)["bad_cases"]] == ["test_bad"]
    assert not list(waiting())


def test_recording_can_be_turned_off(project: Path) -> None:
    write(project, test_a=GOOD)
    assert result(project)[0] == 0
    assert not list(waiting()) and not (project.parent / "tes/records.db").exists()
