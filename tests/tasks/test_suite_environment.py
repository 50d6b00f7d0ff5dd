"""What a suite's framework needs is what its runner says: no Python environment is made for JavaScript."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.cases import judge
from domain.plan import Shard
from domain.spec import Build, Suite
from domain.verdict import Outcome
from tasks import node_modules, suite_environment
from tasks.shard_run import Task, run_shard
from tasks.virtual_environment import Locked
from tests.tasks.supply import source_of


async def test_a_runner_that_says_nothing_gets_the_locked_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def locked(*_: object) -> Locked:
        return Locked(tmp_path / "environment", "sha256:0", tmp_path / "lock.txt")

    monkeypatch.setattr(suite_environment, "locked_environment", locked)
    source = await source_of({"a.py": ""}, tmp_path)
    made = await suite_environment.suite_environment(source, Suite(), Build(), tmp_path / "store", ())
    assert made.python == tmp_path / "environment" / "bin" / "python"
    await suite_environment.furnish(made, source, tmp_path)
    assert not (tmp_path / "node_modules").exists()


@pytest.mark.parametrize("framework", ["go", "cargo", "maven", "gradle", "command"])
async def test_nothing_is_made_for_what_is_on_path(
    framework: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite_environment, "locked_environment", lambda *_: pytest.fail("an environment was made"))
    source = await source_of({"a": ""}, tmp_path)
    suite = Suite(framework=framework)
    made = await suite_environment.suite_environment(source, suite, Build(), tmp_path / "store", ())
    assert (made.kind, made.python, made.modules) == ("", None, None)


async def test_javascript_gets_node_modules_and_no_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def install(*_: object) -> Path:
        return tmp_path / "installed"

    (tmp_path / "installed" / "pad").mkdir(parents=True)
    (tmp_path / "tree").mkdir()
    monkeypatch.setattr(node_modules, "install", install)
    source = await source_of({"package.json": "{}"}, tmp_path)
    suite = Suite(framework="jest")
    made = await suite_environment.suite_environment(source, suite, Build(timeout=7), tmp_path / "store", ())
    assert (made.python, made.timeout) == (None, 7.0)
    await suite_environment.furnish(made, source, tmp_path / "tree")
    assert (tmp_path / "tree" / "node_modules" / "pad").is_dir()


@pytest.mark.requires("node")
async def test_a_shard_of_node_runs_without_python(tmp_path: Path) -> None:
    files = {
        "package.json": '{"scripts": {"test": "node --test"}}',
        **{f"test/{name}.test.js": f"require('node:test')('{name}', () => {{}});" for name in ("one", "two")},
    }
    source = await source_of(files, tmp_path)
    suite = Suite(framework="node", shards=2)
    made = await suite_environment.suite_environment(source, suite, Build(), tmp_path / "store", ())
    names = []
    for number in (1, 2):
        report, _ = await run_shard(
            Task(suite, Shard(number=number), 2, source, made, 1, {}), tmp_path / f"shard-{number}"
        )
        assert judge(report).outcome is Outcome.PASS, report
        names += [attempt.case.name for attempt in report.attempts]
    assert sorted(names) == ["one", "two"]
