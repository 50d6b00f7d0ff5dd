"""Coverage over workers and shards, measured for real: what one process would have measured, or it is not known."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from domain.coverage import judge as judged
from domain.spec import Coverage, Suite
from domain.supply import Source
from domain.verdict import Outcome
from tasks.coverage_data import merged
from tasks.shard_run import Finished
from tasks.shards import new_plan, on_this_machine
from tasks.suite_environment import Environment
from tests.tasks.supply import BARE, source_of
from toolchain import coverage as tool
from toolchain.reports import coverage as report

FILES = {
    "app/__init__.py": "",
    "app/one.py": "def f(x):\n    if x:\n        return 1\n    return 2\n\n\ndef never():\n    return 3\n",
    "app/two.py": "def g(x):\n    return 1 if x else 2\n\n\ndef hidden():  # pragma: no cover\n    return 9\n",
    "app/unseen.py": "VALUE = 1\nOTHER = 2\n",
    "tests/test_one.py": "from app.one import f\n\n\ndef test_a(): assert f(1) == 1\ndef test_b(): assert f(0) == 2\n",
    "tests/test_two.py": "from app.two import g\n\n\ndef test_g(): assert g(1) == 1\n",
}
WANTED = Coverage()


async def measured(source: Source, tmp: Path, shards: int, workers: int = 1) -> list[Finished]:
    suite = Suite(name="unit", shards=shards, workers=workers, environment=BARE, coverage=WANTED)
    plan = new_plan(suite, source, {})
    assert len(plan.shards) == shards
    _, finished = await on_this_machine(
        suite, source, Environment(python=Path(sys.executable)), plan, tmp / "kept", tmp / "out", "k"
    )
    return finished


async def result(finished: list[Finished], source: Source, out: Path):  # type: ignore[no-untyped-def]
    out.mkdir(parents=True, exist_ok=True)
    return await merged(
        [one.out / "coverage" for one in finished], tool.rcfile(WANTED, Path(source.root)), Path(source.root), out
    )


async def test_shards_and_workers_together_measure_what_one_process_would(tmp_path: Path) -> None:
    source = await source_of(FILES, tmp_path)
    alone, _ = await result(await measured(source, tmp_path / "1", 1), source, tmp_path / "m1")
    both, evidence = await result(await measured(source, tmp_path / "2", 2, workers=2), source, tmp_path / "m2")
    assert both == alone and not both.problems
    lines = {file.path: (len(file.executed), len(file.missing)) for file in both.files}
    assert lines == {"app/__init__.py": (0, 0), "app/one.py": (5, 1), "app/two.py": (2, 0), "app/unseen.py": (0, 2)}
    verdict = judged("unit", Coverage(fail_under=99), both)
    assert verdict.outcome is Outcome.FAIL and "7 of 10 lines, 2 of 2 branches" in verdict.reasons[0]
    assert {one.name for one in evidence} == {"coverage.json", "coverage.xml", "index.html"}


async def test_a_shard_that_left_no_data_makes_it_unknown(tmp_path: Path) -> None:
    source = await source_of(FILES, tmp_path)
    finished = await measured(source, tmp_path, 2)
    shutil.rmtree(finished[1].out / "coverage")
    found, _ = await result(finished, source, tmp_path / "m")
    assert judged("unit", WANTED, found).reasons == ("shard 2 of 2 left no coverage data",)
    assert judged("unit", WANTED, found).outcome is Outcome.INCONCLUSIVE


async def test_data_that_is_cut_off_makes_it_unknown(tmp_path: Path) -> None:
    source = await source_of(FILES, tmp_path)
    finished = await measured(source, tmp_path, 2)
    for file in (finished[0].out / "coverage").iterdir():
        file.write_bytes(file.read_bytes()[:100])
    found, _ = await result(finished, source, tmp_path / "m")
    assert judged("unit", WANTED, found).outcome is Outcome.INCONCLUSIVE and "could merge 2 of 4" in found.problems[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "wrote no report"),
        ("{", "cannot be read"),
        ('{"files": {}}', "cannot be read"),
        (
            json.dumps(
                {
                    "files": {"/elsewhere/a.py": {"executed_lines": [1], "missing_lines": [], "summary": {}}},
                    "totals": {"covered_lines": 1, "missing_lines": 0},
                }
            ),
            "outside of the project",
        ),
        (json.dumps({"files": {}, "totals": {"covered_lines": 5, "missing_lines": 0}}), "claims 5 executed lines"),
    ],
)
def test_a_report_that_cannot_be_true_is_not_believed(tmp_path: Path, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / "coverage.json").write_text(text)
    found = report.read(tmp_path / "coverage.json")
    assert says in found.problems[0] and judged("unit", WANTED, found).outcome is Outcome.INCONCLUSIVE


def test_what_the_project_leaves_out_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[tool.coverage.run]\nomit = ['app/gen/*']\n"
        "[tool.coverage.report]\nexclude_also = ['if TYPE_CHECKING:', 'a, b']\n"
    )
    assert tool.own(tmp_path) == {"omit": ("app/gen/*",), "exclude_also": ("if TYPE_CHECKING:", "a, b")}
    (tmp_path / ".coveragerc").write_text("[run]\nsource = app, lib\n[report]\nexclude_lines =\n    never, ever\n")
    assert tool.own(tmp_path) == {"source": ("app", "lib"), "exclude_lines": ("never, ever",)}
    text = tool.rcfile(Coverage(branch=False), tmp_path)
    assert "branch = False" in text and "source =\n    app\n    lib\n" in text and "never, ever" in text


def test_the_commands_of_coverage(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = tool.combine([tmp_path / "a"], tmp_path, out)
    assert command.argv[1:] == (
        "-P", "-m", "coverage", "combine", f"--data-file={out / '.coverage'}", f"--rcfile={out / 'coveragerc'}",
        "--keep", str(tmp_path / "a"),
    )  # fmt: skip
    assert tool.report("json", tmp_path, out).report == out / "coverage.json"
