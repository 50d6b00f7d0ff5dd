"""An engine that was started in advance does what a fresh one does; where it cannot, a fresh one is started."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.errors import MissingTool
from domain.spec import Suite
from tasks.ahead import Ahead
from tasks.suite_run import Ended, Job, run
from tests.tes_engine.driver import environment, journal, write

AROUND = environment()


@pytest.fixture
def job(project: Path, tmp_path: Path) -> Job:
    write(
        project,
        {
            "test_a.py": "import os, sys\ndef test_a(): assert os.read(0, 1) == b''\n"
            "def test_b(): assert sys.argv[1:] == []\n"
        },
    )
    suite = Suite(name="unit", framework="pytest", workers=1).model_dump(mode="json")
    return Job(suite, str(project), str(tmp_path / "out"), sys.executable, AROUND)


@pytest.fixture
def ahead(job: Job) -> Iterator[Ahead]:
    made = Ahead(job.python, job.root, job.environment, job.out)
    yield made
    made.dismiss()


def outcomes(ended: Ended) -> dict[str, str]:
    return {event["name"]: event["o"] for event in journal(Path(ended.job.out)) if event["e"] == "result"}


def pid(ended: Ended) -> Any:
    return next(event["pid"] for event in journal(Path(ended.job.out)) if event["e"] == "session")


def test_it_is_the_engine_that_a_fresh_one_would_be(job: Job, ahead: Ahead) -> None:
    assert ahead.process is not None
    fresh = run(job._replace(out=f"{job.out}-fresh"), lambda _: None)
    number = ahead.process.pid
    ended = run(job, lambda _: None, ahead=ahead)
    assert pid(ended) == number != pid(fresh)
    assert outcomes(ended) == outcomes(fresh) == {"test_a": "passed", "test_b": "failed"}
    assert ended.code == fresh.code == 1
    assert "1 failed, 1 passed" in Path(job.out, "stdout.log").read_text()


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"environment": {**AROUND, "MODE": "other"}}, id="environment"),
        pytest.param({"python": "/usr/bin/env"}, id="interpreter"),
    ],
)
def test_one_for_another_place_is_not_taken(job: Job, ahead: Ahead, other: dict[str, Any]) -> None:
    assert ahead.process is not None
    number = ahead.process.pid
    asked = job._replace(**other)
    assert ahead.go([asked.python, sys.argv[0]], asked.root, asked.environment) is None
    assert gone(number)


def test_one_that_died_is_replaced(job: Job, ahead: Ahead) -> None:
    assert ahead.process is not None
    os.kill(ahead.process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, ahead.process.pid, os.WEXITED | os.WNOWAIT)
    assert outcomes(run(job, lambda _: None, ahead=ahead)) == {"test_a": "passed", "test_b": "failed"}


def test_one_that_cannot_start_is_told_as_ever(job: Job) -> None:
    missing = job._replace(python="/nowhere/python")
    ahead = Ahead(missing.python, missing.root, missing.environment, missing.out)
    with pytest.raises(MissingTool, match="/nowhere/python"):
        run(missing, lambda _: None, ahead=ahead)


def test_an_interpreter_without_pytest_says_so(job: Job) -> None:
    Path(job.root, "pytest.py").write_text("raise ImportError('there is no pytest')\n")
    ended = run(job, lambda _: None, ahead=Ahead(job.python, job.root, job.environment, job.out))
    assert ended.code == 69 and "there is no pytest" in Path(job.out, "stderr.log").read_text()


def test_one_that_is_not_needed_is_gone_at_once(job: Job, ahead: Ahead) -> None:
    assert ahead.process is not None
    number = ahead.process.pid
    ahead.dismiss()
    assert gone(number) and outcomes(run(job, lambda _: None, ahead=ahead)) == {"test_a": "passed", "test_b": "failed"}


def test_one_that_is_forgotten_ends_with_its_input(job: Job) -> None:
    ahead = Ahead(job.python, job.root, job.environment, job.out)
    assert ahead.process is not None and ahead.process.stdin is not None
    ahead.process.stdin.close()
    assert ahead.process.wait(30) == 0


def gone(number: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False
