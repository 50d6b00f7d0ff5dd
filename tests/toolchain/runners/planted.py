"""Small Python projects that a runner runs for real, and journals of the pytest runner written by hand."""

from __future__ import annotations

import json
from pathlib import Path

from domain.cases import Status, SuiteReport
from domain.spec import Suite
from tasks.execute import execute
from tests.tasks.supply import BARE
from toolchain.command import Ran
from toolchain.registry import module
from toolchain.runners import RunRequest

GOOD = "def test_good():\n    pass\n"
FAILING = GOOD + "def test_bad():\n    assert 1 == 2\n"


def request_for(tmp_path: Path, framework: str = "pytest", **more: object) -> RunRequest:
    root = tmp_path / "project"
    root.mkdir(exist_ok=True)
    suite = Suite(name="unit", framework=framework)
    values: dict[str, object] = {"suite": suite, "root": root, "out": tmp_path / "out", "timeout": 60.0}
    return RunRequest.model_validate(values | more)


async def run(
    tmp_path: Path, files: dict[str, str], framework: str = "pytest", **more: object
) -> tuple[SuiteReport, Ran]:
    runner = module("toolchain.runners", framework)
    request = request_for(tmp_path, framework, **more)
    for name, text in files.items():
        (request.root / name).parent.mkdir(parents=True, exist_ok=True)
        (request.root / name).write_text(text)
    command = runner.command(request)
    bare = command.model_copy(update={"environment": {**BARE, **command.environment}})
    ran = await execute(bare, request.out)
    return runner.parse(ran, request), ran


def by_id(report: SuiteReport) -> dict[str, Status]:
    return {str(attempt.case): attempt.status for attempt in report.attempts}


def line(**event: object) -> str:
    return json.dumps(event) + "\n"


def passed(name: str, number: int = 1) -> str:
    file, _, case = name.partition("::")
    parts = {"id": name, "f": file, "c": "", "name": case}
    return line(e="result", **parts, n=number, o="passed", t=1.0, d=[0, 0.5, 0], w="gw0", b=0, ln=1)


SESSION = line(e="session", workers=2, start="fork", mode="parallel", arguments=[])
END = line(e="end", exit=0, collected=1, ran=1, t=2.0)
TWO = line(e="file", f="t.py", n=2, s=0.1, b=0)
