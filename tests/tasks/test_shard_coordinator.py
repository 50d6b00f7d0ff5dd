"""Shards elsewhere, over a real folder and the real engine: lost, doubled or spoilt, nothing untrue passes."""

from __future__ import annotations

import asyncio
import io
import sys
import tarfile
from collections.abc import Callable, Collection, Coroutine
from pathlib import Path
from typing import Any

import pytest

from blocks.storage import Storage, storage_named
from domain.cases import SuiteReport, judge
from domain.errors import Rejected, Unavailable
from domain.plan import Plan
from domain.shard_result import Commit, Order
from domain.spec import Build, Distribute, Suite
from domain.supply import Source
from domain.verdict import Outcome
from tasks import shard_coordinator, shard_elsewhere
from tasks.shard_archive import opened, packed, sha256
from tasks.shard_coordinator import Coordinator
from tasks.shard_elsewhere import carried_out
from tasks.shard_pool import Phase
from tasks.shards import new_plan
from tasks.suite_environment import Environment
from tests.blocks.aws_emulators import moto
from tests.blocks.stores import s3, s3_client
from tests.tasks.supply import BARE, source_of

FILES = {"test_a.py": "def test_a(): pass\n", "test_b.py": "def test_b(): pass\n", "sub/run.sh": "#!/bin/sh\n"}
SUITE = Suite(name="unit", shards=2, workers=1, environment=BARE)
Doing = Callable[["Pool", Order], Coroutine[Any, Any, str]]


class Pool:
    """A work pool in this process: `doing` is what becomes of an order, and says how its run ended."""

    def __init__(self, place: Storage, home: Path, doing: Doing) -> None:
        self.place, self.home, self.doing = place, home, doing
        self.runs: dict[str, asyncio.Task[str]] = {}
        self.orders: list[Order] = []
        self.stopped: list[str] = []

    async def work(self, order: Order) -> str:
        """As the flow `shard` does it."""
        await carried_out(self.place, order, self.home / order.folder)
        return "Completed"

    async def start(self, order: Order) -> str:
        self.orders.append(order)
        self.runs[order.folder] = asyncio.create_task(self.doing(self, order))
        return order.folder

    async def phases(self, runs: Collection[str]) -> dict[str, tuple[Phase, str]]:
        def phase(task: asyncio.Task[str]) -> tuple[Phase, str]:
            if not task.done():
                return Phase.RUNNING, "Running"
            return (Phase.WAITING, "Late") if task.result() == "Late" else (Phase.OVER, task.result())

        return {run: phase(self.runs[run]) for run in runs}

    async def stop(self, run: str) -> None:
        self.stopped.append(run)


@pytest.fixture(autouse=True)
def this_interpreter(monkeypatch: pytest.MonkeyPatch, tes_home: Path) -> None:
    async def environment(*_: object) -> Environment:
        return Environment(python=Path(sys.executable))

    monkeypatch.setattr(shard_elsewhere, "suite_environment", environment)
    monkeypatch.setattr(shard_coordinator, "PATIENCE_S", 0.5)


async def run(tmp: Path, doing: Doing, place: Storage | None = None, **wanted: object) -> tuple[SuiteReport, Pool]:
    source: Source = await source_of(FILES, tmp)
    plan: Plan = new_plan(SUITE, source, {})
    assert len(plan.shards) == 2
    place = place or await storage_named(str(tmp / "shared"))
    pool = Pool(place, tmp / "elsewhere", doing)
    first = Order(
        run="r1", project="demo", source=source.digest, suite=SUITE, shard=plan.shards[0], of=2, plan=plan.digest,
        token=0, build=Build(),
    )  # fmt: skip
    distribute = Distribute.model_validate({"storage": str(tmp / "shared"), **wanted})
    report, _ = await Coordinator(place, pool, distribute, source, tmp / "out", look=0.05).run(first, plan)
    return report, pool


async def test_shards_elsewhere_are_one_report(tmp_path: Path) -> None:
    report, pool = await run(tmp_path, Pool.work)
    assert judge(report).outcome is Outcome.PASS, report.problems
    assert sorted(str(a.case) for a in report.attempts) == ["test_a.py::test_a", "test_b.py::test_b"]
    assert [order.token for order in pool.orders] == [1, 1] and not report.notes


@pytest.mark.requires("moto", "ecs-worker")
async def test_over_s3_a_lost_shard_is_run_again_and_all_is_one_report(tmp_path: Path) -> None:
    async def crash_once(pool: Pool, order: Order) -> str:
        return "Crashed" if (order.shard.number, order.token) == (2, 1) else await pool.work(order)

    with moto(tmp_path) as address:
        place = s3(address)
        report, pool = await run(tmp_path, crash_once, place)
        assert judge(report).outcome is Outcome.PASS, report.problems
        assert sorted((o.shard.number, o.token) for o in pool.orders) == [(1, 1), (2, 1), (2, 2)]
        listed = s3_client(address).list_objects_v2(Bucket=place._block.bucket_name)["Contents"]
    names = sorted(one["Key"].removeprefix("tes/") for one in listed)
    assert [name for name in names if name.endswith("commit.json")] == [
        "r1/unit/1/1/commit.json",
        "r1/unit/2/2/commit.json",
    ]
    assert sum(name.startswith("sources/") for name in names) == 2


@pytest.mark.requires("moto", "ecs-worker")
async def test_a_bucket_that_is_not_there_is_told_before_a_shard_is_ordered(tmp_path: Path) -> None:
    async def never(pool: Pool, order: Order) -> str:
        raise AssertionError("a shard was ordered")

    with moto(tmp_path) as address:
        with pytest.raises(Rejected, match="has no bucket 'nobodys-bucket'"):
            await run(tmp_path, never, s3(address, "nobodys-bucket"))


async def test_a_lost_shard_is_run_again_under_a_new_token(tmp_path: Path) -> None:
    async def crash_once(pool: Pool, order: Order) -> str:
        return "Crashed" if (order.shard.number, order.token) == (2, 1) else await pool.work(order)

    report, pool = await run(tmp_path, crash_once)
    assert judge(report).outcome is Outcome.PASS
    assert sorted((o.shard.number, o.token) for o in pool.orders) == [(1, 1), (2, 1), (2, 2)]
    assert any("shard 2 of 2 was lost under token 1 (Crashed) and started again" in note for note in report.notes)


async def test_a_shard_that_nobody_begins_is_run_where_the_execution_is(tmp_path: Path) -> None:
    """Where a pool has one slot, the execution holds it: it must not wait for itself."""

    async def late(pool: Pool, order: Order) -> str:
        return "Late"

    report, _ = await run(tmp_path, late, start_within=0.1)
    assert judge(report).outcome is Outcome.PASS
    assert sum("ran where the execution does" in note for note in report.notes) == 2


async def test_a_shard_that_answers_twice_counts_once(tmp_path: Path) -> None:
    """The first run seemed lost and went on: its result lies there when the second one's counts."""

    async def twice(pool: Pool, order: Order) -> str:
        if order.shard.number == 1 or order.token == 1:
            if order.shard.number == 2:
                return "Crashed"
            return await pool.work(order)
        await pool.work(order.model_copy(update={"token": 1}))
        return await pool.work(order)

    report, _ = await run(tmp_path, twice)
    assert judge(report).outcome is Outcome.PASS and len(report.attempts) == 2
    assert any("token 2 counts, token 1 is ignored" in note for note in report.notes)


def escaping() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in ("report/ran.json", "../../../escaped"):
            info = tarfile.TarInfo(name)
            info.size = 2
            archive.addfile(info, io.BytesIO(b"{}"))
    return buffer.getvalue()


async def redone(pool: Pool, order: Order, change: Callable[[Path], None]) -> None:
    """The result that was committed, changed in its archive and committed again."""
    content = await pool.place.get(f"{order.folder}/result.tar.gz")
    assert content is not None
    folder = opened(content, pool.home / "changed" / str(order.shard.number) / "x")
    change(folder)
    await recommit(pool, order, packed(folder, "report"))


async def recommit(pool: Pool, order: Order, content: bytes, **other: object) -> None:
    await pool.place.put(f"{order.folder}/result.tar.gz", content)
    commit = Commit.of(order, sha256(content), len(content)).model_copy(update=other)
    await pool.place.put(f"{order.folder}/commit.json", commit.model_dump_json().encode())


def journals(folder: Path) -> list[Path]:
    return sorted((folder / "journal").glob("*.jsonl"))


def cut_journal(folder: Path) -> None:
    for path in journals(folder):
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def no_journal(folder: Path) -> None:
    for path in journals(folder):
        path.unlink()


def other_cases(folder: Path) -> None:
    for path in journals(folder):
        path.write_text(path.read_text().replace("test_a.py", "test_z.py").replace("test_b.py", "test_z.py"))


def a_link(folder: Path) -> None:
    (folder / "out").symlink_to("/etc/passwd")


async def spoil(pool: Pool, order: Order, way: str) -> str:
    if order.shard.number == 1:
        return await pool.work(order)
    if way == "never reports":
        return "Completed"
    await pool.work(order)
    changes = {"cut journal": cut_journal, "no journal": no_journal, "other cases": other_cases, "a link": a_link}
    if way in changes:
        await redone(pool, order, changes[way])
    content = await pool.place.get(f"{order.folder}/result.tar.gz") or b""
    if way == "archive cut off":
        await pool.place.put(f"{order.folder}/result.tar.gz", content[: len(content) // 2])
    elif way == "archive cut off and committed":
        await recommit(pool, order, content[: len(content) // 2])
    elif way == "path escape":
        await recommit(pool, order, escaping())
    elif way == "no archive":
        await recommit(pool, order, b"")
    elif way == "commit cut off":
        await pool.place.put(f"{order.folder}/commit.json", b'{"run": "r1", "sui')
    elif way == "token nobody handed out":
        await recommit(pool, order, content, token=order.token + 7)
    elif way == "another plan":
        await recommit(pool, order, content, plan="f" * 64)
    elif way == "another shard":
        other = await pool.place.get("r1/unit/1/1/result.tar.gz")
        while other is None:
            await asyncio.sleep(0.05)
            other = await pool.place.get("r1/unit/1/1/result.tar.gz")
        await recommit(pool, order, other)
    return "Completed"


WAYS = (
    "never reports", "cut journal", "no journal", "other cases", "a link", "archive cut off",
    "archive cut off and committed", "path escape", "no archive", "commit cut off", "token nobody handed out",
    "another plan", "another shard",
)  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
async def test_whatever_is_spoilt_it_is_no_pass(tmp_path: Path, way: str) -> None:
    report, _ = await run(tmp_path, lambda pool, order: spoil(pool, order, way), lost=0)
    verdict = judge(report)
    assert verdict.outcome is not Outcome.PASS, verdict
    assert not list(tmp_path.rglob("escaped"))


async def test_a_storage_that_goes_down_is_no_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def down(self: Storage, path: str, *within: float) -> bytes | None:
        raise Unavailable("the storage cannot be read")

    async def then_down(pool: Pool, order: Order) -> str:
        said = await pool.work(order)
        monkeypatch.setattr(Storage, "get", down)
        return said

    report, _ = await run(tmp_path, then_down)
    assert judge(report).outcome is Outcome.INCONCLUSIVE


async def test_a_storage_that_refuses_for_a_while_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials that have just been renewed."""
    real, refused = Storage.get, list[str]()

    async def at_first(self: Storage, path: str, *within: float) -> bytes | None:
        if path.endswith("commit.json") and len(refused) < 2:
            refused.append(path)
            raise Rejected("the storage may not be read")
        return await real(self, path, *within)

    monkeypatch.setattr(shard_coordinator, "PATIENCE_S", 60.0)
    monkeypatch.setattr(Storage, "get", at_first)
    report, _ = await run(tmp_path, Pool.work)
    assert judge(report).outcome is Outcome.PASS and len(refused) == 2


async def test_a_storage_that_is_down_from_the_start_is_told(tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("a file, where a folder is wanted")
    with pytest.raises(Unavailable, match="cannot be"):
        await run(tmp_path, Pool.work)
