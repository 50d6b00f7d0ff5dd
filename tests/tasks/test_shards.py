"""A suite's shards on this machine: the same cases as without, nothing done twice, nothing believed that broke."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from domain.cases import CaseId, Status, SuiteReport, judge
from domain.plan import Plan
from domain.spec import Suite
from domain.supply import Source
from domain.verdict import Outcome
from tasks.cores import Cores, share
from tasks.shard_run import Finished, sweep
from tasks.shards import new_plan, on_this_machine, planned
from tasks.suite_environment import Environment
from tests.tasks.supply import BARE, lay, source_of

FILES = {
    "pyproject.toml": "[tool.pytest.ini_options]\ntestpaths = ['tests']\npython_files = ['test_*.py', 'check_*.py']\n",
    "tests/conftest.py": "collect_ignore = ['test_ignored.py']\n",
    "tests/test_a.py": "def test_one(): pass\ndef test_two(): pass\n",
    "tests/test_b.py": "import pytest\n\n\n@pytest.mark.parametrize('n', range(5))\ndef test_many(n): pass\n",
    "tests/check_c.py": "def test_three(): pass\n",
    "tests/deep/test_d.py": "class TestIt:\n    def test_four(self): pass\n",
    "tests/test_ignored.py": "def test_never(): assert False\n",
    "tests/test_empty.py": "VALUE = 1\n",
    "other/test_elsewhere.py": "def test_never(): assert False\n",
}


def suite_of(shards: int = 1, **more: object) -> Suite:
    return Suite.model_validate({"name": "unit", "shards": shards, "environment": BARE, **more})


async def run(
    source: Source, suite: Suite, tmp: Path, plan: Plan | None = None, again: bool = False
) -> tuple[SuiteReport, list[Finished]]:
    """The merged report and the shards, in a store of the test's own."""
    made = plan or new_plan(suite, source, {})
    out = tmp / "out" / str(len(list((tmp / "out").glob("*"))) if (tmp / "out").exists() else 0)
    return await on_this_machine(
        suite, source, Environment(python=Path(sys.executable)), made, tmp / "kept", out, "k", again=again
    )


def names(report: SuiteReport) -> list[str]:
    return sorted(str(attempt.case) for attempt in report.attempts)


@pytest.mark.parametrize("known", [False, True], ids=["sizes", "history"])
async def test_shards_run_what_one_run_would(tmp_path: Path, known: bool) -> None:
    source = await source_of(FILES, tmp_path)
    whole, _ = await run(source, suite_of(), tmp_path / "one")
    history = {attempt.case: 1.0 for attempt in whole.attempts if "test_a" not in attempt.case.file} if known else {}
    plan = new_plan(suite_of(3), source, history)
    assert len(plan.shards) == 3 and plan.basis == ("history" if known else "sizes")
    parts, finished = await run(source, suite_of(3), tmp_path / "three", plan)
    assert names(parts) == names(whole) and len(names(whole)) == 9
    assert judge(parts).outcome is judge(whole).outcome is Outcome.PASS
    assert [one.out.is_dir() for one in finished] == [True, True, True]


async def test_a_file_that_dominates_is_divided_and_loses_no_case(tmp_path: Path) -> None:
    body = "".join(f"def test_{n}(): pass\n" for n in ("add", "add_more", "pay", "pay_back", "x"))
    source = await source_of({"test_big.py": body + "def test_paying(): pass\ndef test_new(): pass\n"}, tmp_path)
    history = {
        CaseId(suite="unit", file="test_big.py", name=f"test_{n}"): 9.0 for n in ("add", "add_more", "pay", "x", "gone")
    }
    plan = new_plan(suite_of(3), source, history)
    assert len(plan.shards) == 3
    report, _ = await run(source, suite_of(3), tmp_path, plan)
    assert judge(report).outcome is Outcome.PASS, report.problems
    assert len(names(report)) == len(set(names(report))) == 7


async def test_a_shard_that_passed_is_quoted_and_one_that_failed_runs_again(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    source = await source_of(
        {
            "test_a.py": "def test_good(): pass\n",
            "test_b.py": f"import os\n\n\ndef test_bad(): assert os.path.exists({str(flag)!r})\n",
        },
        tmp_path,
    )
    first, _ = await run(source, suite_of(2), tmp_path)
    assert judge(first).outcome is Outcome.FAIL
    flag.touch()
    second, _ = await run(source, suite_of(2), tmp_path)
    assert {str(a.case): a.reused for a in second.attempts} == {
        "test_a.py::test_good": True,
        "test_b.py::test_bad": False,
    }
    assert judge(second).outcome is Outcome.PASS
    third, _ = await run(source, suite_of(2), tmp_path, again=True)
    assert not any(attempt.reused for attempt in third.attempts)


@pytest.mark.parametrize("second, good", [("pass", True), ("os._exit(0)", False)])
async def test_what_failed_runs_again_where_the_runner_cannot_and_a_round_that_breaks_is_not_believed(
    tmp_path: Path, second: str, good: bool
) -> None:
    flag = tmp_path / "flag"
    text = f"""
import os, pathlib, unittest
FLAG = pathlib.Path({str(flag)!r})
class TestIt(unittest.TestCase):
    def test_flaky(self):
        if not FLAG.exists():
            FLAG.touch()
            self.fail("the first time")
        {second}
"""
    source = await source_of({"test_a.py": text}, tmp_path)
    report, _ = await run(source, suite_of(framework="unittest", retries=1), tmp_path)
    told = [(attempt.number, attempt.status) for attempt in report.attempts]
    assert told[0] == (1, Status.FAILED) and told[1][0] == 2, told
    assert judge(report).passed is good, judge(report)


async def test_the_plan_of_one_content_is_made_once(tmp_path: Path) -> None:
    """Else what its shards have done would be lost when history goes on."""
    source = await source_of(FILES, tmp_path)
    made = planned(suite_of(2), source, {}, tmp_path / "plan.json")
    later = {CaseId(suite="unit", file="tests/test_a.py", name="test_one"): 9.0}
    assert planned(suite_of(2), source, later, tmp_path / "plan.json") == made


async def test_a_shard_that_finds_nothing_is_told_and_a_suite_that_finds_nothing_is_not_believed(
    tmp_path: Path,
) -> None:
    source = await source_of(FILES, tmp_path)
    chosen, _ = await run(source, suite_of(3, args=["-k", "test_one"]), tmp_path / "some")
    assert judge(chosen).outcome is Outcome.PASS and "one shard found no case to run" in chosen.notes
    nothing, _ = await run(source, suite_of(3, args=["-k", "nowhere"]), tmp_path / "none")
    assert judge(nothing).outcome is Outcome.INCONCLUSIVE


async def test_a_shard_that_dies_is_not_believed(tmp_path: Path) -> None:
    files = {"test_a.py": "def test_a(): pass\n", "test_b.py": "import os\n\n\ndef test_b(): os._exit(0)\n"}
    report, _ = await run(await source_of(files, tmp_path), suite_of(2), tmp_path)
    assert judge(report).outcome is not Outcome.PASS
    assert {attempt.case.file: attempt.status for attempt in report.attempts}["test_a.py"] is Status.PASSED


SLOW = """
import os, time
def test_first():
    with open({log!r}, "a") as log: log.write("x")
def test_second():
    open({begun!r}, "w").close()
    while not os.path.exists({flag!r}): time.sleep(0.02)
"""


async def engine_of(kept: Path, begun: Path) -> int:
    """The engine's process, once it is in the middle of its work."""
    async with asyncio.timeout(30):
        while not begun.exists():
            await asyncio.sleep(0.05)
    (journal,) = kept.glob("*/run/report/journal/main.jsonl")
    return int(json.loads(journal.read_text().splitlines()[0])["pid"])


@pytest.mark.parametrize("what", ["the engine", "everything"])
async def test_what_is_killed_goes_on_from_its_journal(tmp_path: Path, what: str) -> None:
    """A case that had a result has it still, and is not run a second time."""
    log, begun, flag = (tmp_path / name for name in ("log", "begun", "flag"))
    text = SLOW.format(log=str(log), begun=str(begun), flag=str(flag))
    source = await source_of({"test_slow.py": text}, tmp_path)
    going = asyncio.create_task(run(source, suite_of(workers=1), tmp_path))
    pid = await engine_of(tmp_path / "kept", begun)
    if what == "the engine":
        flag.touch()
        os.kill(pid, signal.SIGKILL)
        report, _ = await going
    else:
        going.cancel()
        await asyncio.wait([going])
        flag.touch()
        report, _ = await run(source, suite_of(workers=1), tmp_path)
    assert judge(report).outcome is Outcome.PASS, report
    assert log.read_text() == "x" and len({attempt.case for attempt in report.attempts}) == 2


@pytest.mark.parametrize(
    ("shards", "workers", "total", "each"),
    [(1, None, 8, 8), (3, None, 8, 2), (16, None, 8, 1), (2, 3, 8, 3), (1, 99, 8, 8)],
)
def test_workers_of_a_shard(shards: int, workers: int | None, total: int, each: int) -> None:
    assert share(shards, workers, total) == each


async def test_no_more_processors_are_handed_out_than_there_are() -> None:
    cores, most, held = Cores(4), 0, 0

    async def use(wanted: int) -> None:
        nonlocal most, held
        async with cores.held(wanted) as got:
            held += got
            most = max(most, held)
            try:
                await asyncio.sleep(0.001)
            finally:
                held -= got

    given_up = asyncio.create_task(use(4))
    work = [asyncio.create_task(use(wanted)) for wanted in (1, 3, 2, 9, 1, 1, 4, 2)]
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(*work)
    assert most <= 4 and held == 0
    async with asyncio.timeout(1), cores.held(4):
        pass


def test_what_nobody_asked_for_in_two_weeks_is_forgotten(tmp_path: Path) -> None:
    lay(tmp_path, {"old/report.json": "{}", "new/report.json": "{}", "old.lock": ""})
    for name in ("old", "old.lock"):
        os.utime(tmp_path / name, (0, 0))
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_finished_shard_is_a_value(tmp_path: Path) -> None:
    one = Finished(report=SuiteReport(suite="unit"), out=tmp_path)
    assert Finished.model_validate_json(one.model_dump_json()) == one
