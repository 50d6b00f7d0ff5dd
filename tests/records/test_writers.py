"""Many writers at once: no row is lost, none is there twice, and the audit log stays one chain."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

import records
from domain.cases import Attempt
from records.write.attempt import PORTION
from tests.records.values import attempt
from tests.records.writing import Writer, batch_after_batch, overlapping, own_and_shared


def test_concurrent_writers_lose_and_double_nothing(database: str) -> None:
    writers = [Writer(own_and_shared, database, number) for number in range(4)]
    assert [writer.end() for writer in writers] == [(0, [])] * 4
    found = records.cases("r1", limit=500)
    assert len(found.items) == 500 and found.next is None
    assert {case.attempts for case in found.items} == {1}
    detail = records.run("r1")
    assert detail is not None and len(detail.stages) == 5
    chain = records.verify_chain()
    assert chain.whole and chain.entries == 20


def test_a_killed_writer_leaves_whole_batches(database: str) -> None:
    records.open_run("r1", "checkout", "release")
    writer = Writer(batch_after_batch, database)
    told = [writer.hear() for _ in range(4)]
    time.sleep(0.01)  # into the middle of the next
    writer.kill()
    told += writer.end()[1]
    kept = 0
    after: str | None = None
    while True:
        page = records.cases("r1", limit=500, after=after)
        kept += len(page.items)
        if page.next is None:
            break
        after = page.next
    # What was told is kept; a batch that was under way is there whole or not at all.
    assert kept % 50 == 0 and kept // 50 - len(told) in (0, 1)
    records.record_attempts("r1", "tests.unit", [attempt("after")])


def test_overlapping_writers_of_whom_some_are_killed_lose_and_double_nothing(database: str) -> None:
    """Eight writers on PostgreSQL, four on SQLite; no two wait for each other in a circle."""
    records.open_run("r1", "checkout", "release")
    count = 8 if database.startswith("postgres") else 4
    writers = [Writer(overlapping, database, number) for number in range(count)]
    doomed = writers[:2]
    for writer in doomed:
        writer.hear()
        writer.kill()
    ended = [writer.end() for writer in writers]
    assert [told for _, told in ended[2:]] == [[*range(6), *range(6)]] * (count - 2), ended
    found = records.cases("r1", limit=500)
    assert sorted(case.name for case in found.items) == [f"case_{n:03}" for n in range(300)]
    assert {case.attempts for case in found.items} == {1}


STREAM = """
import resource, records
from tests.records.values import attempt
records.open_run("r1", "checkout", "release")
records.record_attempts("r1", "tests.unit", [attempt("first")])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
records.record_attempts("r1", "tests.unit", (attempt(f"case_{n}") for n in range(30_000)))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_a_stream_of_attempts_is_not_held_in_memory(database: str) -> None:
    """Six portions, and no more memory than for one."""
    told = subprocess.run(
        [sys.executable, "-c", STREAM], env={"TES_DATABASE_URL": database}, capture_output=True, text=True, timeout=120
    )
    assert told.returncode == 0, told.stderr
    assert float(told.stdout) < 30


def test_a_stream_that_breaks_leaves_nothing(database: str) -> None:
    def breaking() -> Iterator[Attempt]:
        yield from (attempt(f"case_{n}") for n in range(PORTION + 1))
        raise OSError("cut off")

    records.open_run("r1", "checkout", "release")
    with pytest.raises(OSError, match="cut off"):
        records.record_attempts("r1", "tests.unit", breaking())
    assert records.cases("r1").items == []


def test_threads_share_an_engine(database: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    records.open_run("r1", "checkout", "release")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: records.audit("me", "count", str(n), {"n": n}), range(40)))
    entries = records.audit_entries(limit=100).items
    assert sorted(json.loads(entry.detail)["n"] for entry in entries) == list(range(40))
    assert records.verify_chain().whole
