"""`tests.select: changed` in a flow: another snapshot of the project, and only what a change can affect runs in it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from domain.cases import CaseId, SuiteReport, judge
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


async def run(
    tmp: Path,
    name: str,
    files: dict[str, str],
    *,
    again: bool = False,
    times: dict[CaseId, float] | None = None,
    dies: int = 0,
    **more: object,
) -> SuiteReport:
    """One run of the suite in a snapshot of its own, as `tasks.execution` composes it. `times` is the history; of the
    shard number `dies` nothing is left but a journal without an end."""
    source = await source_of(files, tmp / name)
    suite = Suite.model_validate({"name": "unit", "environment": BARE, "workers": 1, **more})
    spec = Spec.model_validate({"tests": {"select": "changed"}})
    this = Run(
        id=name, kind="execution", project="shop", root=tmp, spec=spec, actor="ada", holder="ada",
        store=tmp / "store", folder=tmp / name / "out",
    )  # fmt: skip
    made = new_plan(suite, source, times or {})
    changed = Changed(this, source, suite, made, Path(sys.executable), times or {}, again=again)
    shards[name] = len(changed.plan.shards)
    report, finished = await on_this_machine(
        suite, source, Environment(python=Path(sys.executable)), changed.plan, tmp / "kept", this.folder, name,
        again=True, impact=changed.copies,
    )  # fmt: skip
    if dies:
        journal = finished[dies - 1].out / "journal/main.jsonl"
        journal.write_text("".join(line for line in journal.read_text().splitlines(True) if '"end"' not in line))
    report = changed.taken_in(report, [one.out for one in finished])
    verdicts[name] = changed.counted(judge(report), report)
    return report


verdicts: dict[str, Verdict] = {}
shards: dict[str, int] = {}


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


async def test_where_no_selection_is_possible_everything_runs_and_that_is_said(tmp_path: Path) -> None:
    files = FILES | {"test_more.py": "def test_more(): pass\n"}
    report = await run(tmp_path, "first", files, coverage={})
    assert any("its coverage is measured" in note for note in report.notes)
    assert len(report.attempts) == 3 and not any(reused(report).values())


SPLIT = {
    "shop.py": "def one(): return 1\ndef two(): return 2\ndef three(): return 3\n",
    **{
        f"test_{word}.py": f"import pytest, shop\n@pytest.mark.parametrize('x', [1, 2])\n"
        f"def test_{word}(x): assert shop.{word}() == {number}\ndef test_calm(): pass\n"
        for number, word in enumerate(("one", "two", "three"), 1)
    },
}
TIMES = {
    CaseId(suite="unit", file=f"test_{word}.py", name=f"test_{word}[{x}]"): 9.0
    for word in ("one", "two", "three")
    for x in (1, 2)
}


def ran(report: SuiteReport) -> list[str]:
    return sorted(f"{one.case.file}::{one.case.name}" for one in report.attempts if not one.reused)


async def test_a_suite_in_shards_is_selected_from_first_and_divided_then(tmp_path: Path) -> None:
    first = await run(tmp_path, "first", SPLIT, times=TIMES, shards=3)
    assert (shards["first"], len(ran(first))) == (3, 9)
    # What each shard recorded is known to the next run.
    assert ran(await run(tmp_path, "same", SPLIT, times=TIMES, shards=3)) == []
    assert verdicts["same"].outcome is Outcome.PASS
    other = SPLIT | {"shop.py": SPLIT["shop.py"].replace("return 1", "return 1 + 0 * two()")}
    report = await run(tmp_path, "other", other, times=TIMES, shards=3)
    assert ran(report) == ["test_one.py::test_one[1]", "test_one.py::test_one[2]"]
    assert (shards["other"], verdicts["other"].outcome, report.problems) == (1, Outcome.PASS, ())
    more = other["shop.py"].replace("return 2", "return 2 + 0 * three()").replace("return 3", "return 3 + 0 * len('')")
    report = await run(tmp_path, "more", other | {"shop.py": more}, times=TIMES, shards=3)
    # Which are all now: each calls the next.
    assert ran(report) == [f"test_{word}.py::test_{word}[{x}]" for word in ("one", "three", "two") for x in (1, 2)]
    assert (shards["more"], verdicts["more"].outcome) == (3, Outcome.PASS)


@pytest.mark.parametrize("number", [1, 2])
async def test_what_the_other_shards_recorded_is_kept_when_one_dies(tmp_path: Path, number: int) -> None:
    await run(tmp_path, "first", SPLIT, times=TIMES, shards=3, dies=number)
    again = await run(tmp_path, "again", SPLIT, times=TIMES, shards=3)
    # Of the one that takes what no other was told to, nobody knows what that was.
    assert len(ran(again)) == (9 if number == 1 else 3)
    assert ran(await run(tmp_path, "same", SPLIT, times=TIMES, shards=3)) == []


async def test_a_case_that_starts_a_process_is_reused_in_another_copy_of_the_same_files(tmp_path: Path) -> None:
    started = "import subprocess\ndef test_it(): subprocess.run(['cat', 'prices.csv'], check=True)\n"
    files = {"test_it.py": started, "prices.csv": "1;2\n"}
    assert not any(reused(await run(tmp_path, "first", files)).values())
    assert all(reused(await run(tmp_path, "same", files)).values())
    assert not any(reused(await run(tmp_path, "other", files | {"prices.csv": "1;3\n"})).values())
    assert not any(reused(await run(tmp_path, "more", files | {"prices.csv": "1;3\n", "b.csv": ""})).values())
