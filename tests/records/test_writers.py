"""Many writers at once: no row is lost, none is there twice, and the audit log stays one chain."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

import records
from domain.cases import Attempt
from records.write.attempt import PORTION
from tests.records.values import attempt

WRITER = """
import sys, records
from domain.verdict import Outcome, Verdict
from tests.records.values import attempt, verdict
me = sys.argv[1]
for batch in range(5):
    shared = [attempt(f"shared_{n}") for n in range(batch * 20, batch * 20 + 20)]
    own = [attempt(f"own_{me}_{n}") for n in range(batch * 20, batch * 20 + 20)]
    records.open_run("r1", "checkout", "release")
    # Each writer in another order: that is what deadlocks are made of.
    records.record_attempts("r1", "tests.unit", own + shared if int(me) % 2 else (shared + own)[::-1])
    records.record_stage("r1", f"stage.{batch}", verdict(), started=1.0, ended=2.0)
    records.audit(me, "record", f"batch {batch}", {"rows": 40})
"""


def test_concurrent_writers_lose_and_double_nothing(database: str) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(number)], env={"TES_DATABASE_URL": database}, stderr=subprocess.PIPE
        )
        for number in range(4)
    ]
    said = [writer.communicate(timeout=120)[1].decode() for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4, said
    found = records.cases("r1", limit=500)
    assert len(found.items) == 500 and found.next is None
    assert {case.attempts for case in found.items} == {1}
    detail = records.run("r1")
    assert detail is not None and len(detail.stages) == 5
    chain = records.verify_chain()
    assert chain.whole and chain.entries == 20


KILLED = """
import sys, records
from tests.records.values import attempt
for batch in range(10_000):
    records.record_attempts("r1", "tests.unit", [attempt(f"{batch}_{n}") for n in range(50)])
    print(batch, flush=True)
"""


def test_a_killed_writer_leaves_whole_batches(database: str) -> None:
    records.open_run("r1", "checkout", "release")
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED], env={"TES_DATABASE_URL": database}, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    for _ in range(4):
        told = writer.stdout.readline()
    time.sleep(0.01)
    writer.send_signal(signal.SIGKILL)
    told = (told + writer.communicate(timeout=30)[0]).split()[-1]
    kept = 0
    after: str | None = None
    while True:
        page = records.cases("r1", limit=500, after=after)
        kept += len(page.items)
        if page.next is None:
            break
        after = page.next
    # What was told is kept; a batch that was under way is there whole or not at all.
    assert kept % 50 == 0 and kept // 50 - (int(told) + 1) in (0, 1)
    records.record_attempts("r1", "tests.unit", [attempt("after")])


OVERLAPPING = """
import sys, records
from records.write import attempt as write
from tests.records.values import attempt
write.PORTION = 40  # several portions a transaction
me = int(sys.argv[1])
for again in range(2):
    for batch in range(6):
        # A window over the same 300 cases, elsewhere for each writer, each time the other way round, with repeats.
        window = [attempt(f"case_{(me * 37 + batch * 50 + n) % 300:03}") for n in range(120)]
        given = window + window[:10]
        records.record_attempts("r1", "tests.unit", iter(given if (me + batch) % 2 else given[::-1]))
        print(batch, flush=True)
"""


def test_overlapping_writers_of_whom_some_are_killed_lose_and_double_nothing(database: str) -> None:
    """Eight writers on PostgreSQL, four on SQLite; no two wait for each other in a circle."""
    records.open_run("r1", "checkout", "release")
    count = 8 if database.startswith("postgres") else 4
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", OVERLAPPING, str(number)],
            env={"TES_DATABASE_URL": database},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(count)
    ]
    doomed = writers[:2]
    for writer in doomed:
        assert writer.stdout is not None and writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
    said = [writer.communicate(timeout=120)[1].decode() for writer in writers]
    assert [writer.returncode for writer in writers if writer not in doomed] == [0] * (count - 2), said
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
