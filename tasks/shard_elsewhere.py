"""One shard on another machine: takes its order from the storage both sides reach, and leaves its result there.

It may be started twice, or be thought lost while it goes on: it writes only below its own token, the archive first and
then, as one small file, what the archive must be. Who reads never sees half of it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from blocks.storage import Storage, patience, storage_named
from domain.errors import ReportError, TesError
from domain.shard_result import Commit, Order, folder
from domain.supply import Source
from settings import settings
from tasks.cores import CORES
from tasks.kinds import derive
from tasks.shard_archive import MAX_BYTES, NOT_SENT, opened, packed, remember, sha256
from tasks.shard_run import Task, run_shard
from tasks.snapshot import take
from tasks.suite_environment import suite_environment


def source_path(digest: str) -> str:
    """Where the snapshot of that digest lies in the storage."""
    return f"sources/{digest.removeprefix('sha256:')}.tar.gz"


@derive("shard {number} of {suite}, token {token}")
async def carry_out(storage: str, run: str, suite: str, number: int, token: int) -> Commit:
    """Runs the shard that is ordered there; done again, it does the same again."""
    place = await storage_named(storage)
    where = folder(run, suite, number, token)
    text = await place.get(f"{where}/order.json")
    if text is None:
        raise TesError(f"there is no order at {where} in {storage}", fix="start the execution again: it orders anew")
    return await carried_out(place, Order.model_validate_json(text), settings().state / "elsewhere" / where)


async def carried_out(place: Storage, order: Order, home: Path) -> Commit:
    """The order's shard, run in `home` and committed. Unavailable when the storage does not answer; TesError for a
    snapshot that is not the one that was ordered."""
    store = settings().state / "store"
    source = await _source(place, order, home, store)
    environment = await suite_environment(source, order.suite, order.build, store, order.needs)
    workers = order.suite.workers or CORES.total
    durations = {key: float(value) for key, value in order.durations.items()}
    task = Task(order.suite, order.shard, order.of, source, environment, workers, durations)
    async with CORES.held(workers):
        report, ran = await run_shard(task, home / "work")
    remember(ran, home / "work" / "report")
    (home / "work" / "report" / "shard.json").write_text(report.model_dump_json())
    content = packed(home / "work" / "report", "report", leave=NOT_SENT)
    await place.put(f"{order.folder}/result.tar.gz", content)
    commit = Commit.of(order, sha256(content), len(content))
    await place.put(f"{order.folder}/commit.json", commit.model_dump_json().encode())
    shutil.rmtree(home, ignore_errors=True)
    return commit


async def _source(place: Storage, order: Order, home: Path, store: Path) -> Source:
    content = await place.get(source_path(order.source), patience(MAX_BYTES))
    if content is None:
        raise TesError(f"the snapshot {order.source} is not in the storage", fix="start the execution again")
    shutil.rmtree(home, ignore_errors=True)
    opened(content, home / "source")
    source = await take(home / "source" / "tree", store, name=order.project, exclude=())
    if source.digest != order.source:
        raise ReportError(f"the snapshot that was fetched is {source.digest}, and {order.source} was ordered")
    return source
