"""`tests.select: changed` in a flow: another snapshot of the project, and only what a change can affect runs in it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from domain.cases import SuiteReport, judge
from domain.spec import Spec, Suite
from domain.verdict import Outcome, Verdict
from tasks.changed_cases import Changed
from tasks.run import Run
from tasks.shards import new_plan, on_this_machine
from tasks.suite_environment import Environment
from tests.tasks.supply import BARE, source_of

FILES = {
    "shop.py": "def one(): return 1\ndef two(): return 2\n",
    "test_shop.py": "import shop\ndef test_one(): assert shop.one() == 1\ndef test_two(): assert shop.two() == 2\n",
}


async def run(tmp: Path, name: str, files: dict[str, str], *, again: bool = False, **more: object) -> SuiteReport:
    """One run of the suite in a snapshot of its own, as `tasks.execution` composes it."""
    source = await source_of(files, tmp / name)
    suite = Suite.model_validate({"name": "unit", "environment": BARE, "workers": 1, **more})
    spec = Spec.model_validate({"tests": {"select": "changed"}})
    this = Run(
        id=name, kind="execution", project="shop", root=tmp, spec=spec, actor="ada", holder="ada",
        store=tmp / "store", folder=tmp / name / "out",
    )  # fmt: skip
    made = new_plan(suite, source, {})
    changed = Changed(this, source, suite, made, Path(sys.executable), again=again)
    report, finished = await on_this_machine(
        suite, source, Environment(python=Path(sys.executable)), changed.plan, tmp / "kept", this.folder, name,
        again=True, impact=changed.planned is not None,
    )  # fmt: skip
    report = changed.taken_in(report, finished[0].out if finished else None)
    verdicts[name] = changed.counted(judge(report), report)
    return report


verdicts: dict[str, Verdict] = {}


def reused(report: SuiteReport) -> dict[str, bool]:
    return {attempt.case.name: attempt.reused for attempt in report.attempts}


async def test_a_flow_runs_what_a_change_can_affect_and_shows_the_rest_as_reused(tmp_path: Path) -> None:
    first = await run(tmp_path, "first", FILES)
    assert reused(first) == {"test_one": False, "test_two": False}
    assert "everything runs: nothing is recorded yet" in first.notes
    assert all(reused(await run(tmp_path, "same", FILES)).values())
    assert verdicts["same"].outcome is Outcome.PASS
    other = FILES | {"shop.py": FILES["shop.py"].replace("return 2", "return 3")}
    broken = await run(tmp_path, "broken", other)
    assert reused(broken) == {"test_one": True, "test_two": False}
    assert "1 results are reused: nothing that they depend on has changed" in broken.notes
    assert verdicts["broken"].outcome is Outcome.FAIL
    # What failed runs again.
    assert reused(await run(tmp_path, "again", other)) == {"test_one": True, "test_two": False}
    # Asked to, everything runs, and says how right it would have been not to.
    assert not any(reused(await run(tmp_path, "whole", other, again=True)).values())
    assert verdicts["whole"].metrics["misses"] == 0 and verdicts["whole"].metrics["compared"] == 1


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"coverage": {}}, "its coverage is measured"),
        ({"shards": 2}, "it has 2 shards"),
    ],
)
async def test_where_no_selection_is_possible_everything_runs_and_that_is_said(
    tmp_path: Path, more: dict[str, object], why: str
) -> None:
    files = FILES | {"test_more.py": "def test_more(): pass\n"}
    report = await run(tmp_path, "first", files, **more)
    assert any(why in note for note in report.notes)
    assert len(report.attempts) == 3 and not any(reused(report).values())
