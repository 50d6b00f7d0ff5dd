"""A million attempts in SQLite, and what the queries of the memory take there."""

from __future__ import annotations

import json
import os
import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

RUNS, CASES = 250, 4000
BAD_SHARE, FLAKY = 0.0005, 40


def fill(url: str, runs: int = RUNS) -> None:
    """`runs` runs of `CASES` cases: one case in a hundred flakes, and now and then something else fails."""
    import sqlite3

    import records
    from domain.cases import CaseId
    from records.tables.case import case_key

    records.migrate(url)
    chance = random.Random(1)
    ids = [case_key("big", CaseId(suite="unit", file=f"t{n // 40}.py", name=f"test_{n}")) for n in range(CASES)]
    start = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=60)
    output = "captured line of output\n" * 8
    with sqlite3.connect(url.removeprefix("sqlite:///")) as base:
        base.execute("INSERT INTO projects (name, created) VALUES ('big', ?)", (str(start),))
        base.executemany(
            "INSERT INTO cases (number, id, project, suite, file, classname, name, first_seen)"
            " VALUES (?, ?, 'big', 'unit', ?, '', ?, ?)",
            [(n, key, f"t{n // 40}.py", f"test_{n}", str(start)) for n, key in enumerate(ids)],
        )
        for run in range(runs):
            at = str(start + timedelta(hours=5.5 * run))
            base.execute(
                "INSERT INTO runs (id, project, kind, source_digest, state, outcome, reasons, pid, host,"
                " process_started, opened) VALUES (?, 'big', 'execution', ?, 'finished', 'PASS', '[]', 1, '', 0, ?)",
                (f"run{run}", f"sha256:{run // 2}", at),
            )
            base.execute(
                "INSERT INTO executions (number, run_id, stage) VALUES (?, ?, 'tests.unit')", (run, f"run{run}")
            )
            rows = []
            for number in range(CASES):
                bad = chance.random() < (0.06 if number < FLAKY else BAD_SHARE)
                status, said = ("failed", f"assert {chance.random()} == 4") if bad else ("passed", "")
                rows.append((run, number, number, status, chance.random(), said, output if bad else "", at))
            base.executemany(
                "INSERT INTO attempts (execution, case_number, key, number, status, seconds, message, output, recorded)"
                " VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?)",
                rows,
            )
            bad_count = sum(row[3] == "failed" for row in rows)
            metrics = {"failed": bad_count, "cases": CASES, "passed": CASES - bad_count, "seconds": 60.0}
            verdict = {"gate": "tests.unit", "outcome": "PASS", "reasons": [], "metrics": metrics}
            base.execute(
                "INSERT INTO stages (run_id, name, outcome, verdict, started, ended, seconds)"
                " VALUES (?, 'tests.unit', 'PASS', ?, ?, ?, 60)",
                (f"run{run}", json.dumps(verdict), at, at),
            )


def timed(call: Callable[[], Any], repeats: int = 5) -> float:
    """Milliseconds, the median of some repeats."""
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken)


def measured(folder: Path, runs: int = RUNS) -> dict[str, float]:
    """Milliseconds of each query, on a warm file; the bad ones' histories and the judgement of them included."""
    url = f"sqlite:///{folder}/million.db"
    os.environ["TES_DATABASE_URL"] = url
    import records
    from domain.flakiness import assess

    fill(url, runs)
    suspects = records.suspects("big")
    ids = [one.id for one in suspects]
    histories = records.histories("big", ids[:200])
    found = {
        "attempts": float(runs * CASES),
        "suspects found": float(len(ids)),
        "suspects": timed(lambda: records.suspects("big")),
        "histories of 1": timed(lambda: records.histories("big", ids[:1])),
        "histories of 20": timed(lambda: records.histories("big", ids[:20])),
        "histories of 200": timed(lambda: records.histories("big", ids[:200]), 3),
        "assess 200": timed(lambda: [assess(one) for one in histories.values()], 3),
        "failing": timed(lambda: records.failing("big")),
        "failure_clusters": timed(lambda: records.failure_clusters("big"), 3),
        "trend": timed(lambda: records.trend("big")),
        "slowest": timed(lambda: records.slowest("big")),
        "quarantines": timed(lambda: records.quarantines("big")),
        "counted": timed(lambda: records.counted("big")),
    }
    records.close()
    return found
