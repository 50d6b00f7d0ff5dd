"""What recording test results costs: `record_attempts` beside the fastest way the database has to take the same rows.

    python benchmarks/records.py [--quick]

The raw ways know no cases, no duplicates and no second writer: SQLite gets one `executemany` of plain tuples,
PostgreSQL one COPY. What the records add is the price of "nothing lost, nothing twice". 100,000 attempts are
recorded, 20,000 in quick mode, in batches of 5,000 as they stream in. PostgreSQL is measured where one can be had.
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
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import records  # noqa: E402
from domain.cases import Attempt, CaseId, Status  # noqa: E402
from records.url import records_url  # noqa: E402

BATCH = 5000
_COLUMNS = ("suite", "file", "classname", "name", "number", "status", "seconds", "message", "output")
_TABLE = (
    "CREATE TABLE raw (suite text, file text, classname text, name text, number integer, status text, "
    "seconds double precision, message text, output text)"
)


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


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _batches(given: list[Attempt]) -> Iterator[list[Attempt]]:
    for start in range(0, len(given), BATCH):
        yield given[start : start + BATCH]


def _record(run: str, given: list[Attempt]) -> None:
    for batch in _batches(given):
        records.record_attempts(run, "tests.unit", batch)


def _ours(url: str, given: list[Attempt]) -> dict[str, float]:
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


def _sqlite(folder: Path, given: list[Attempt]) -> dict[str, float]:
    raw = sqlite3.connect(folder / "raw.db", isolation_level=None)
    raw.execute("PRAGMA journal_mode=WAL")
    raw.execute("PRAGMA synchronous=FULL")
    raw.execute(_TABLE)
    insert = f"INSERT INTO raw VALUES ({', '.join('?' * len(_COLUMNS))})"  # nosec B608: constants

    def work() -> None:
        for batch in _batches(given):
            raw.execute("BEGIN IMMEDIATE")
            raw.executemany(insert, [_row(attempt) for attempt in batch])
            raw.execute("COMMIT")

    told = {"raw executemany": _seconds(work)}
    raw.close()
    return told | _ours(f"sqlite:///{folder}/records.db", given)


def _postgresql(url: str, given: list[Attempt]) -> dict[str, float]:
    import psycopg

    plain = records_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as raw:
        raw.execute(_TABLE)

        def work() -> None:
            for batch in _batches(given):
                with raw.cursor().copy(f"COPY raw ({', '.join(_COLUMNS)}) FROM STDIN") as copy:
                    for attempt in batch:
                        copy.write_row(_row(attempt))
                raw.commit()

        told = {"raw COPY": _seconds(work)}
    return told | _ours(url, given)


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


def _table(name: str, told: dict[str, float], count: int) -> None:
    print(f"\n{name}, {count:,} attempts in batches of {BATCH:,}")
    floor = next(iter(told.values()))
    for what, seconds in told.items():
        rate = "" if what.startswith("first page") else f"{count / seconds:>12,.0f}/s {floor / seconds:>6.2f} of raw"
        print(f"  {what:<24}{seconds:>9.3f} s{rate}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20,000 attempts instead of 100,000")
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    chosen = parser.parse_args()
    count = 20_000 if chosen.quick else 100_000
    output = chosen.output or ROOT / "benchmarks" / "results" / f"records{'-quick' if chosen.quick else ''}.json"
    given = attempts(count)
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="tes-bench-") as folder:
        results["SQLite"] = _sqlite(Path(folder), given)
    with _server() as url:
        if url is not None:
            results["PostgreSQL"] = _postgresql(url, given)
    for name, told in results.items():
        _table(name, told, count)
    output.parent.mkdir(parents=True, exist_ok=True)
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.system()}
    machine["load"] = round(os.getloadavg()[0], 1)
    answer = {"attempts": count, "batch": BATCH, "machine": machine, "seconds": results}
    output.write_text(json.dumps(answer, indent=2) + "\n")


if __name__ == "__main__":
    main()
