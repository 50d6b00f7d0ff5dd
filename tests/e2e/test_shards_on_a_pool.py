"""A suite's shards as runs of the embedded runtime's work pool, for real: flow, worker, and a folder between them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.driver import Tes

_SPEC = """\
name: {name}
tests:
  distribute: {{storage: {storage}, start_within: 8m}}
  suites: [{{name: unit, framework: pytest, shards: 2, workers: 1, timeout: 8m, coverage: {{fail_under: 50}}}}]
"""
# The flow in a process of its own, against the runtime's server: what a worker of another machine would do with it.
_RUN = """\
import asyncio, os, sys
from cli import runtime
up = asyncio.run(runtime.up())  # with its worker, which registers the deployments
os.environ.update(runtime.environment(up))
from flows.execution import execution  # with Prefect, which reads where its server is when it is imported
state = asyncio.run(execution(project=sys.argv[1], return_state=True))
report = asyncio.run(state.aresult(raise_on_failure=False))
print(report.model_dump_json())
"""


@pytest.mark.timeout(600)  # a worker of a busy machine begins a run when it can; only what never comes is wrong
def test_a_suite_runs_on_the_work_pool(tes: Tes, tmp_path: Path) -> None:
    name = "spread"
    project = tmp_path / name
    project.mkdir()
    shared = tmp_path / "shared"
    (project / "tes.yaml").write_text(_SPEC.format(name=name, storage=shared))
    (project / "requirements.txt").write_text("")
    (project / "app.py").write_text("def f(x):\n    return 1 if x else 2\n")
    (project / "test_a.py").write_text("import app\n\n\ndef test_a(): assert app.f(1) == 1\n")
    (project / "test_b.py").write_text("import app\n\n\ndef test_b(): assert app.f(0) == 2\n")
    report = tes.script(_RUN, str(project), timeout=480)
    stages = {stage["name"]: stage["verdict"] for stage in report["stages"]}
    assert report["outcome"] == "PASS", report["decision"]
    assert stages["tests.unit"]["metrics"]["passed"] == 2
    assert "of 2 lines" in stages["coverage.unit"]["reasons"][0]
    committed = sorted(path.relative_to(shared).as_posix() for path in shared.rglob("commit.json"))
    assert committed == [f"{report['run']}/unit/{number}/1/commit.json" for number in (1, 2)]
