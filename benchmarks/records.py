"""What recording test results costs: `record_attempts` beside the fastest way the database has to take the same rows.

    python benchmarks/records.py [--quick]

The raw ways know no cases, no duplicates and no second writer: SQLite gets `executemany` of plain tuples, PostgreSQL
COPY, into a table without any index; a transaction a batch, as safe from a crash as the records. "With a key" is the
same into a table whose primary key is the case and the attempt's number: the least by which nothing is there twice.
What the records add is the price of "nothing lost, nothing twice". 100,000 attempts are recorded, 20,000 in quick
mode, in batches of 5,000 as they stream in; round by round each way after the other, and the medians are told.
Processor seconds are this process's alone: all of SQLite's, and of PostgreSQL's only the client's. PostgreSQL is
measured where one can be had.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import records  # noqa: E402
from domain.cases import Attempt, CaseId, Status  # noqa: E402
from records.url import records_url  # noqa: E402

BATCH = 5000
_COLUMNS = ("suite", "file", "classname", "name", "number", "status", "seconds", "message", "output")
_TABLE = (
    "CREATE TABLE {} (suite text, file text, classname text, name text, number integer, status text, "
    "seconds double precision, message text, output text{})"
)
_TABLES = {
    "": _TABLE.format("raw", ""),
    " with a key": _TABLE.format("keyed", f", PRIMARY KEY ({', '.join(_COLUMNS[:5])})"),
}
Times = dict[str, tuple[float, float]]
"""Wall and processor seconds by what was done."""


def attempts(count: int) -> list[Attempt]:
    """As the engine tells them, two workers' one after the other. One in a hundred fails, with a message and a kilobyte
    of output."""
    made = []
    for n in range(count):
        bad = n % 100 == 0
        case = CaseId(suite="unit", file=f"tests/test_{n // 50}.py", classname="TestThing", name=f"test_that_{n}[{n}]")
        made.append(
            Attempt(
                case=case,
                status=Status.FAILED if bad else Status.PASSED,
                seconds=n % 7 / 100,
                started=1_795_600_000 + n / 50,
                worker=f"gw{n % 2}",
                message="assert 1 == 2" if bad else "",
                output="x" * 1000 if bad else "",
            )
        )
    return made


def _row(attempt: Attempt) -> tuple[Any, ...]:
    case = attempt.case
    return (
        *(case.suite, case.file, case.classname, case.name, attempt.number),
        *(attempt.status.value, attempt.seconds, attempt.message, attempt.output),
    )


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    began, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - used


def _batches(given: list[Attempt]) -> Iterator[list[Attempt]]:
    for start in range(0, len(given), BATCH):
        yield given[start : start + BATCH]


def _record(run: str, given: list[Attempt]) -> None:
    for batch in _batches(given):
        records.record_attempts(run, "tests.unit", batch)


def _ours(url: str, given: list[Attempt]) -> Times:
    os.environ["TES_DATABASE_URL"] = url
    records.migrate()
    records.open_run("first", "bench", "release")
    records.open_run("second", "bench", "release")
    told = {
        "new cases": _seconds(lambda: _record("first", given)),
        "known cases": _seconds(lambda: _record("second", given)),
        "the same again": _seconds(lambda: _record("second", given)),
        "first page of failures": _seconds(lambda: records.cases("second", "failed")),
    }
    records.close()
    return told


def _sqlite(folder: Path, given: list[Attempt]) -> Times:
    told = {}
    for kind, table in _TABLES.items():
        raw = sqlite3.connect(folder / "raw.db", isolation_level=None)
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=FULL")
        raw.execute(table)
        told[f"raw executemany{kind}"] = _seconds(lambda: _executemany(raw, "keyed" if kind else "raw", given))
        raw.close()
    return told | _ours(f"sqlite:///{folder}/records.db", given)


def _executemany(raw: sqlite3.Connection, table: str, given: list[Attempt]) -> None:
    insert = f"INSERT INTO {table} VALUES ({', '.join('?' * len(_COLUMNS))})"  # nosec B608: constants
    for batch in _batches(given):
        raw.execute("BEGIN IMMEDIATE")
        raw.executemany(insert, [_row(attempt) for attempt in batch])
        raw.execute("COMMIT")


def _postgresql(url: str, given: list[Attempt]) -> Times:
    import psycopg

    plain = records_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    told = {}
    with psycopg.connect(plain) as raw:
        for kind, table in _TABLES.items():
            raw.execute(table)
            raw.commit()
            told[f"raw COPY{kind}"] = _seconds(lambda: _copy(raw, "keyed" if kind else "raw", given))
    return told | _ours(url, given)


def _copy(raw: Any, table: str, given: list[Attempt]) -> None:
    for batch in _batches(given):
        with raw.cursor().copy(f"COPY {table} ({', '.join(_COLUMNS)}) FROM STDIN") as copy:
            for attempt in batch:
                copy.write_row(_row(attempt))
        raw.commit()


@contextmanager
def _server() -> Iterator[str | None]:
    from tests.components import missing
    from tests.records.postgres import server

    if reason := missing("postgres"):
        print(f"PostgreSQL is not measured: {reason}")
        yield None
    else:
        with tempfile.TemporaryDirectory(prefix="tes-bench-") as folder, server(Path(folder)) as url:
            yield url


def _shares(rounds: list[Times]) -> dict[str, list[float]]:
    """The share of raw speed of each way in each round."""
    raw = next(iter(rounds[0]))
    return {what: [round(told[raw][0] / told[what][0], 3) for told in rounds] for what in rounds[0]}


def _table(name: str, rounds: list[Times], count: int) -> None:
    print(f"\n{name}, {count:,} attempts in batches of {BATCH:,}, medians of {len(rounds)}")
    raw = next(iter(rounds[0]))
    floor = median(told[raw][1] for told in rounds)
    for what, shares in _shares(rounds).items():
        wall, used = (median(told[what][n] for told in rounds) for n in (0, 1))
        line = f"  {what:<28}{wall:>9.3f} s{used:>9.3f} s cpu"
        if not what.startswith("first page"):
            line += f"{count / wall:>12,.0f}/s {median(shares):>6.2f} of raw"
            line += f", {floor / used:.2f} by the processor" if name == "SQLite" else ""
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20,000 attempts instead of 100,000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    chosen = parser.parse_args()
    count = 20_000 if chosen.quick else 100_000
    output = chosen.output or ROOT / "benchmarks" / "results" / f"records{'-quick' if chosen.quick else ''}.json"
    given = attempts(count)
    results: dict[str, list[Times]] = {}
    loads = []
    for _ in range(chosen.rounds):
        loads.append(round(os.getloadavg()[0], 1))
        with tempfile.TemporaryDirectory(prefix="tes-bench-") as folder:
            results.setdefault("SQLite", []).append(_sqlite(Path(folder), given))
        with _server() as url:
            if url is not None:
                results.setdefault("PostgreSQL", []).append(_postgresql(url, given))
    for name, rounds in results.items():
        _table(name, rounds, count)
    output.parent.mkdir(parents=True, exist_ok=True)
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.system(), "loads": loads}
    told = {
        name: {
            what: {
                "seconds": [round(one[what][0], 3) for one in rounds],
                "cpu": [round(one[what][1], 3) for one in rounds],
                "of_raw": shares,
            }
            for what, shares in _shares(rounds).items()
        }
        for name, rounds in results.items()
    }
    output.write_text(
        json.dumps({"attempts": count, "batch": BATCH, "machine": machine, "ways": told}, indent=2) + "\n"
    )


if __name__ == "__main__":
    main()
