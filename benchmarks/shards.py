"""What shards cost their coordinator: a plan of 100,000 cases, and many shards' results as one verdict.

    python benchmarks/shards.py [--quick]

*read* parses the journals that the shards left, as the coordinator does; *merge* makes one report of them and looks for
what is missing, doubled or another's; *judge* weighs it. Beside it junitparser reads and merges the same results as
JUnit XML, which checks nothing. (ReportPortal took hours to merge 53 launches: its issues 1970 and 2346.) Medians of
5, and the worst of them; peak memory is of this process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from domain.cases import CaseId, SuiteReport, judge  # noqa: E402
from domain.merging import merged  # noqa: E402
from domain.plan import Plan, Shard, plan  # noqa: E402
from toolchain.reports import journal  # noqa: E402

T = TypeVar("T")
PER_FILE = 50
SHAPES = ((53, 64), (8, 100_000))


def write_journal(folder: Path, shard: int, cases: int) -> list[str]:
    """A shard's journal as the engine writes it; the files it is of."""
    (folder / "journal").mkdir(parents=True)
    files = []
    with (folder / "journal/main.jsonl").open("w") as out:

        def say(**event: object) -> None:
            out.write(json.dumps(event) + "\n")

        say(e="session", python="3.12", pytest="8.3", workers=2, mode="parallel", start="fork", root="/", t=0.0, pid=1)
        for first in range(0, cases, PER_FILE):
            count = min(PER_FILE, cases - first)
            file = f"tests/shard_{shard}/test_{first // PER_FILE}.py"
            files.append(file)
            say(e="file", f=file, n=count, s=0.1, w="gw0", b=first // PER_FILE)
            for number in range(first, first + count):
                name, node = f"test_{number}", f"{file}::TestIt::test_{number}"
                say(
                    e="result",
                    id=node,
                    f=file,
                    c="TestIt",
                    name=name,
                    n=1,
                    o="passed",
                    t=1.0 * number,
                    d=[0, 0.01, 0],
                    w="gw0",
                )
        say(e="end", exit=0, collected=cases, ran=cases, t=9.0)
    return files


def report_of(folder: Path) -> SuiteReport:
    """As the runner's parser makes it."""
    found = journal.read(folder / "journal", "unit")
    return SuiteReport.model_construct(
        suite="unit", attempts=found.attempts, complete=found.end is not None, problems=found.problems,
        notes=found.notes, seconds=1.0, workers=2, deselected=0, unlisted={},
    )  # fmt: skip


def timed(times: dict[str, list[float]], what: str, work: Callable[[], T]) -> T:
    began = time.perf_counter()
    result = work()
    times.setdefault(what, []).append(time.perf_counter() - began)
    return result


def measure(shards: int, cases: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of each step."""
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="tes-bench-") as scratch:
        homes = {n: Path(scratch) / str(n) for n in range(1, shards + 1)}
        files = {n: write_journal(home, n, cases) for n, home in homes.items()}
        leave = tuple(file for n, mine in files.items() if n > 1 for file in mine)
        parts = (
            Shard(number=n, selection=() if n == 1 else tuple(files[n]), leave=leave if n == 1 else ()) for n in homes
        )
        made = Plan(suite="unit", basis="history", shards=tuple(parts))
        for _ in range(rounds):
            reports = timed(times, "read", lambda: {n: report_of(home) for n, home in homes.items()})
            whole = timed(times, "merge", lambda: merged(made, reports))
            verdict = timed(times, "judge", lambda: judge(whole))
            assert verdict.passed and verdict.metrics["cases"] == shards * cases, verdict
        peer(Path(scratch), files, cases, rounds, times)
    return times


def peer(folder: Path, files: dict[int, list[str]], cases: int, rounds: int, times: dict[str, list[float]]) -> None:
    """junitparser, over the same cases."""
    try:
        from junitparser import JUnitXml
    except ImportError:
        return
    if cases * len(files) > 100_000:  # minutes
        return
    paths = []
    for number, mine in files.items():
        path = folder / f"{number}.xml"
        rows = (
            f'<testcase classname="{file}.TestIt" name="test_{n}" file="{file}" time="0.01"/>'
            for place, file in enumerate(mine)
            for n in range(place * PER_FILE, min(cases, (place + 1) * PER_FILE))
        )
        path.write_text(f'<testsuites><testsuite name="unit" tests="{cases}">{"".join(rows)}</testsuite></testsuites>')
        paths.append(path)
    for _ in range(rounds):

        def together() -> int:
            whole = JUnitXml()
            for path in paths:
                whole += JUnitXml.fromfile(str(path))
            whole.update_statistics()
            return int(whole.tests)

        assert timed(times, "junitparser", together) == cases * len(files)


def measure_plan(rounds: int) -> dict[str, list[float]]:
    """A plan of 100,000 cases, one file with a twentieth of them."""
    times: dict[str, list[float]] = {}
    history = {CaseId(suite="unit", file=f"t/test_{n % 2000}.py", name=f"test_{n}"): n % 97 / 10 for n in range(95_000)}
    history |= {CaseId(suite="unit", file="t/test_big.py", name=f"test_{n}"): 1.0 for n in range(5_000)}
    files = {case.file: 1 for case in history}
    names = [f"test_{n}" for n in range(5_000)]
    for _ in range(rounds):
        timed(times, "plan", lambda: plan("unit", 64, files, history, lambda file: names))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    chosen = parser.parse_args()
    rounds = 1 if chosen.quick else 5
    output = chosen.output or ROOT / "benchmarks" / "results" / f"shards{'-quick' if chosen.quick else ''}.json"
    found = {"plan of 100,000 cases": measure_plan(rounds)}
    for shards, cases in SHAPES:
        found[f"{shards} shards of {cases:,} cases"] = measure(shards, cases, rounds)
    results = {}
    for name, times in found.items():
        results[name] = {what: {"median": statistics.median(all_), "worst": max(all_)} for what, all_ in times.items()}
        print(f"\n{name}, load average {os.getloadavg()[0]:.1f}")
        for what, told in results[name].items():
            print(f"  {what:<12} {told['median']:8.3f} s   worst {told['worst']:8.3f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\npeak memory {peak:,.0f} MB")
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(
        json.dumps({"machine": machine, "rounds": rounds, "peak_mb": peak, "seconds": results}, indent=2) + "\n"
    )


if __name__ == "__main__":
    main()
