"""Run only what a change touches: is what must run selected, and what does it cost beside pytest-testmon?

    python benchmarks/impact.py mutants --python PY --source sqlparse=FOLDER:sqlparse:tests --source ...
    python benchmarks/impact.py speed   --python PY [--peer PY] [--rounds 5]

`mutants`: small changes of a package in an unpacked source distribution (NAME=FOLDER:PACKAGE:TESTS[:TESTS]). Each is
planned for, then the whole suite runs all the same; a case whose outcome changes and that was not selected is a miss.
A missed case is run once more by itself: where it then gives its old result, it had only suffered from an earlier case
in the same process, and is told apart. Mutants that do not end in time are replaced, and counted.

`speed`: 1,000 generated tests; nothing changed, and one function changed; the whole command, medians, beside
pytest-testmon and pytest in the same run. PY is in a virtual environment with pytest, `--peer` in one like it with
pytest-testmon: whoever uses the one does not load the other.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks._mutants import Mutant, mutants  # noqa: E402
from tasks import impact  # noqa: E402
from tasks.impact_absorb import results  # noqa: E402
from toolchain.engine_argv import engine_argv  # noqa: E402

LIMIT = 300.0


def run(python: Path, root: Path, out: Path, words: list[str], *, record: bool = False, limit: float = LIMIT) -> bool:
    """The engine on `root`, 2 workers. False when it did not end in time."""
    shutil.rmtree(out, ignore_errors=True)
    ours = ["-q", "-q", "-p", "no:cacheprovider", "-o", "addopts=", f"--rootdir={root}"]
    select = None
    if any("::" in word for word in words):
        out.mkdir(parents=True)
        select = out / "select.json"
        select.write_text(json.dumps(words))
        words = list(dict.fromkeys(word.partition("::")[0] for word in words))
    argv = engine_argv(str(python), out, [*ours, *words], workers=2, select=select, impact=record, case_timeout=30)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "src")]), "PYTHONHASHSEED": "0"}
    process = subprocess.Popen(
        argv, cwd=root, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()
        return False
    return True


def of_project(python: Path, name: str, given: str, count: int, seed: int, scratch: Path) -> dict[str, Any]:
    """The mutants of one project."""
    where, package, *tests = given.split(":")
    root = scratch / name
    shutil.copytree(where, root, ignore=shutil.ignore_patterns(".git", "__pycache__", "*.egg-info"))
    store, out, under = scratch / f"{name}.sqlite3", scratch / "out", impact.conditions(python)
    first = impact.plan(root, store, under)
    began = time.perf_counter()
    assert run(python, root, out, tests, record=True)
    took = time.perf_counter() - began
    absorbed = impact.absorb(out, first)
    before = {case: one.status for case, one in results(out / "journal")[0].items()}
    files = [str(path.relative_to(root)) for path in sorted((root / package).rglob("*.py"))]
    told: dict[str, Any] = {"cases": len(before), "doubted": absorbed.doubted, "recording_s": round(took, 1)}
    tally: dict[str, Any] = {"mutants": 0, "replaced": 0, "killed": 0, "changed": 0, "missed": 0, "alone": 0}
    shares, missing = [], []
    for mutant in mutants(root, files, 3 * count, seed):
        if tally["mutants"] == count:
            break
        original = (root / mutant.path).read_bytes()
        stat = (root / mutant.path).stat()
        try:
            (root / mutant.path).write_text(mutant.source)
            planned = impact.plan(root, store, under)
            if not run(python, root, out, tests, limit=max(60.0, 6 * took)):
                tally["replaced"] += 1
                continue
            after = {case: one.status for case, one in results(out / "journal")[0].items()}
            missed = [] if planned.run is None else _missed(planned, before, after)
            confirmed = []
            if missed:
                run(python, root, out, missed)
                alone = {case: one.status for case, one in results(out / "journal")[0].items()}
                confirmed = [case for case in missed if alone.get(case, "gone") != before[case]]
        finally:
            (root / mutant.path).write_bytes(original)
            os.utime(root / mutant.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        changed = sum(after.get(case, "gone") != status for case, status in before.items())
        tally["mutants"] += 1
        tally["killed"] += bool(changed)
        tally["changed"] += changed
        tally["missed"] += len(confirmed)
        tally["alone"] += len(missed) - len(confirmed)
        chosen = len(before) if planned.run is None else len(before) - len(planned.reused)
        shares.append(chosen / len(before))
        if missed:
            missing.append([mutant.path, mutant.line, mutant.kind, confirmed[:5], missed[:5]])
        told |= tally
        print(name, _line(mutant, chosen, changed, len(missed), len(confirmed)), flush=True)
    return {**told, **tally, "selected_mean": statistics.mean(shares), "selected_median": statistics.median(shares),
            "misses": missing}  # fmt: skip


def _line(mutant: Mutant, chosen: int, changed: int, missed: int, confirmed: int) -> str:
    said = f" MISSED {confirmed} (and {missed - confirmed} in company only)" if missed else ""
    return f"{mutant.path}:{mutant.line} {mutant.kind}: {chosen} selected, {changed} changed{said}"


def _missed(planned: impact.Selection, before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Cases that were to be reused and came out otherwise. Those that did not come out at all are of a run that broke
    off, when the engine says so, or of a file that could not be collected: that is another outcome, too."""
    return [case.id for case in planned.reused if after.get(case.id, "gone") != before[case.id]]


def generated(root: Path, files: int = 50, each: int = 20) -> None:
    """A project of files * each tests and as many functions in ten modules."""
    (root / "shop").mkdir(parents=True)
    (root / "tests").mkdir()
    (root / "shop/__init__.py").write_text("")
    for module in range(10):
        body = "    total = 0\n    for i in range(50):\n        total += x * i + {n}\n    return total\n"
        functions = [f"def f{n}(x):\n{body.replace('{n}', str(n))}"
                     for n in range(files * each // 10)]  # fmt: skip
        (root / f"shop/m{module}.py").write_text("\n\n".join(functions))
    for file in range(files):
        lines = [f"from shop import m{file % 10} as m\n"]
        for test in range(each):
            number = (file // 10) * each + test
            lines.append(f"\ndef test_{test}():\n    assert m.f{number}(1) == 1225 + 50 * {number}\n")
        (root / f"tests/test_{file}.py").write_text("\n".join(lines))


def _as_people_have_it() -> dict[str, str]:
    """The environment, in which compiled modules are kept: without, each run rewrites every test file anew."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def ours(python: Path, root: Path, home: Path) -> float:
    """The whole command, as a person types it."""
    words = [sys.executable, "-m", "cli.main", "test", str(root), "--changed"]
    environment = {
        **_as_people_have_it(),
        "TES_HOME": str(home),
        "VIRTUAL_ENV": str(python.parent.parent),
        "PYTHONPATH": str(ROOT),
    }
    began = time.perf_counter()
    subprocess.run(words, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def pytest(python: Path, root: Path, *words: str) -> float:
    began = time.perf_counter()
    subprocess.run([str(python), "-m", "pytest", "-q", *words], cwd=root, check=True, env=_as_people_have_it(),
                   stdout=subprocess.DEVNULL)  # fmt: skip
    return time.perf_counter() - began


def speed(python: Path, peer: Path, rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        mine, theirs, home = Path(scratch, "mine"), Path(scratch, "theirs"), Path(scratch, "home")
        for root in (mine, theirs):
            generated(root)
        first = {"tes": ours(python, mine, home), "testmon": pytest(peer, theirs, "--testmon")}
        times: dict[str, list[float]] = {}
        for number in range(rounds):
            for name, took in (
                ("tes, nothing changed", ours(python, mine, home)),
                ("testmon, nothing changed", pytest(peer, theirs, "--testmon")),
                ("pytest", pytest(python, theirs)),
            ):
                times.setdefault(name, []).append(took)
            for root in (mine, theirs):
                file = root / f"shop/m{number}.py"
                file.write_text(file.read_text().replace("total = 0", "total = int()", 1))  # a constant would fold
            times.setdefault("tes, one function changed", []).append(ours(python, mine, home))
            times.setdefault("testmon, one function changed", []).append(pytest(peer, theirs, "--testmon"))
        medians = {name: round(statistics.median(found), 3) for name, found in times.items()}
        return {"first": first, "median_s": medians, "times_s": times,
                "nothing": medians["tes, nothing changed"] / medians["testmon, nothing changed"],
                "one": medians["tes, one function changed"] / medians["testmon, one function changed"]}  # fmt: skip


def main() -> None:
    """Prints the table and writes it beside the others."""
    given = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    given.add_argument("what", choices=("mutants", "speed"))
    given.add_argument("--python", type=Path, default=Path(sys.executable))
    given.add_argument("--peer", type=Path, help="the python that has pytest-testmon: ours need not load it")
    given.add_argument("--source", action="append", default=[], metavar="NAME=ROOT:PACKAGE:TESTS")
    given.add_argument("--count", type=int, default=67, help="mutants a project")
    given.add_argument("--rounds", type=int, default=5)
    given.add_argument("--seed", type=int, default=3)
    given.add_argument("--out", type=Path)
    options = given.parse_args()
    machine = {"python": platform.python_version(), "cpus": os.cpu_count(), "platform": platform.platform()}
    result: dict[str, Any] = {"what": options.what, "machine": machine, "when": time.strftime("%Y-%m-%d")}
    path = options.out or ROOT / "benchmarks/results" / f"impact-{options.what}.json"
    if options.what == "speed":
        result |= speed(options.python, options.peer or options.python, options.rounds)
        print(json.dumps(result["median_s"], indent=2), f"nothing {result['nothing']:.2f}, one {result['one']:.2f}")
    with tempfile.TemporaryDirectory() as scratch:
        for source in options.source if options.what == "mutants" else ():
            name, _, where = source.partition("=")
            result.setdefault("projects", {})[name] = of_project(
                options.python, name, where, options.count, options.seed, Path(scratch)
            )
            path.write_text(json.dumps(result, indent=2) + "\n")
    path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
