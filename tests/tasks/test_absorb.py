"""Runs of `tes test` reach the records once, whatever was killed, and nobody waits for that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from domain.cases import Attempt, CaseId, Status, SuiteReport, judge
from records.read.case import cases
from records.read.run import run as run_of
from records.read.run import runs
from tasks import absorb, spool
from tasks.spool import Entry
from tasks.suite_run import Ended, Job

SUITE = {"name": "unit", "framework": "pytest", "environment": {}, "timeout": 60.0}


def entry(tmp_path: Path, state: str = spool.DONE, pid: int = 0) -> Entry:
    """A run of which the engine's journal tells a pass and a failure."""
    new = spool.new("shop", str(tmp_path / "shop"), sys.executable)
    out = Path(new.folder, "unit")
    (out / "journal").mkdir(parents=True)
    events: list[dict[str, object]] = [
        {"e": "session", "workers": 1},
        {"e": "file", "f": "a.py", "n": 2, "s": 0.1, "b": 0},
    ]
    for name, status in (("x", "passed"), ("y", "failed")):
        case = {"id": f"a.py::{name}", "f": "a.py", "c": "", "name": name}
        events.append({"e": "result", **case, "n": 1, "o": status, "t": 1.0, "d": [0, 1, 0], "w": "gw0", "msg": "no"})
    events.append({"e": "end", "exit": 1, "collected": 2, "ran": 2, "t": 3.0})
    (out / "journal/main.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    ended = Ended(Job(SUITE, str(tmp_path), str(out), sys.executable, {"SECRET": "x"}), ["python"], 1, 2.0, None)
    attempts = tuple(
        Attempt(case=CaseId(suite="unit", file="a.py", name=name), status=status)
        for name, status in (("x", Status.PASSED), ("y", Status.FAILED))
    )
    verdict = judge(SuiteReport(suite="unit", attempts=attempts))
    return new._replace(
        state=state,
        pid=pid or os.getpid(),
        ended=time.time() if state == spool.DONE else 0.0,
        outcome="FAIL" if state == spool.DONE else "",
        reasons=list(verdict.reasons),
        suites={"unit": [ended]},
        verdicts={"unit": verdict.model_dump(mode="json")} if state == spool.DONE else {},
    )


@pytest.fixture(autouse=True)
def _records(tes_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TES_DATABASE_URL", f"sqlite:///{tes_home}/records.db")


def test_a_run_is_recorded_once_with_its_attempts_and_its_verdict(tmp_path: Path) -> None:
    one = entry(tmp_path)
    one.say()
    assert absorb.absorb() == 1 and absorb.absorb() == 0
    found = run_of(one.run)
    assert found is not None and (found.run.kind, found.run.state, found.run.outcome) == ("test", "finished", "FAIL")
    assert [stage.name for stage in found.stages] == ["tests.unit"]
    one.say()  # as if the process had been killed before it could forget
    assert absorb.absorb() == 1
    assert len(runs(10).items) == 1 and len(cases(one.run).items) == 2


def test_a_run_that_goes_on_is_left_alone_and_a_killed_one_is_interrupted(tmp_path: Path) -> None:
    entry(tmp_path, spool.RUNNING).say()
    assert absorb.absorb() == 0
    gone = subprocess.Popen(["true"])
    gone.wait()
    killed = entry(tmp_path, spool.RUNNING, gone.pid)
    killed.say()
    assert absorb.absorb() == 1
    found = run_of(killed.run)
    assert found is not None and found.run.state == "interrupted"
    assert len(cases(killed.run).items) == 2


def test_what_cannot_be_recorded_now_is_recorded_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = entry(tmp_path), entry(tmp_path)
    one.say()
    other.say()
    real = absorb.record

    def broken(given: Entry) -> None:
        if given.run == one.run:
            raise OSError("the disk is full")
        real(given)

    monkeypatch.setattr(absorb, "record", broken)
    assert absorb.absorb() == 1
    monkeypatch.setattr(absorb, "record", real)
    assert absorb.absorb() == 1
    assert {row.id for row in runs(10).items} == {one.run, other.run}


def test_two_at_once_record_each_run_once(tmp_path: Path) -> None:
    for _ in range(4):
        entry(tmp_path).say()
    words = [sys.executable, "-m", "tasks.absorb"]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) for _ in range(2)]
    told = sum(int(one.communicate(timeout=60)[0].split()[0]) for one in both)
    assert told == 4 and len(runs(10).items) == 4


def test_an_environment_is_not_written_down(tmp_path: Path, tes_home: Path) -> None:
    entry(tmp_path).say()
    assert not any("SECRET" in path.read_text() for path in (tes_home / "spool").iterdir())


def test_only_the_latest_folders_of_a_project_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "KEPT", 2)
    for number in range(4):
        Path(spool.runs_of("/shop"), f"2026010{number}-120000-x").mkdir(parents=True)
    spool.prune("/shop")
    assert sorted(os.listdir(spool.runs_of("/shop"))) == ["20260102-120000-x", "20260103-120000-x"]
