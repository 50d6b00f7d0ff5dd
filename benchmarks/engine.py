"""The test engine beside pytest and pytest-xdist: how soon are real suites through, and what survives a killed worker?

    python benchmarks/engine.py [--quick] [--only suites,skewed,kills] [--suite click --suite attrs]

Ten published suites, two workers. In each round every mode runs once, one after the other, so that a busy minute of the
machine is everybody's; a table tells medians. Each suite runs twice before it is measured: to collect only (which also
leaves compiled files for all), and in plain pytest with a plugin that notes outcomes and times. The engine has no
history of the suite: its first run is measured. `tes test` is the whole command, which learns from round to round.

The limit is start-up + (collection + tests) / 2: start-up is the engine with one empty test; collection is
`--collect-only` less that of one empty test; tests is what plain pytest reports for set-ups, calls and tear-downs.
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
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks._kills import kills  # noqa: E402
from benchmarks._measured import Measured, measured  # noqa: E402
from benchmarks._outcomes import PLUGIN, difference, of_journal, of_reports  # noqa: E402
from benchmarks._skewed import skewed  # noqa: E402
from benchmarks._suites import SUITES, Project, prepared  # noqa: E402
from toolchain.engine_argv import engine_argv  # noqa: E402

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tes-benchmarks"
QUIET = ["-q", "-p", "no:cacheprovider"]
XDIST = ("xdist load", "xdist worksteal")
PARTS = ("suites", "skewed", "kills")


class Bench:
    """What all runs share. `environment` is that of a person whose virtual environment is active."""

    def __init__(self, python: Path, scratch: Path) -> None:
        self.python, self.scratch, self.out = python, scratch, scratch / "out"
        unwanted = ("PYTEST_", "PYTHON", "COV_", "TES_", "VIRTUAL_ENV")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        self.environment |= {"VIRTUAL_ENV": str(python.parent.parent), "TES_HOME": str(scratch / "home")}
        self.environment["PATH"] = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
        (scratch / "plug").mkdir()
        (scratch / "plug/bench_outcomes.py").write_text(PLUGIN)

    def pytest(self, *words: str) -> list[str]:
        return [str(self.python), "-m", "pytest", *QUIET, *words]

    def modes(self, paths: tuple[str, ...]) -> dict[str, list[str]]:
        tes = [sys.executable, "-c", "import sys; from cli.main import main; sys.exit(main())", "test", "."]
        return {
            "pytest": self.pytest(*paths),
            "xdist load": self.pytest("-n", "2", "--dist", "load", *paths),
            "xdist worksteal": self.pytest("-n", "2", "--dist", "worksteal", *paths),
            "engine": engine_argv(str(self.python), self.out, [*QUIET, *paths], workers=2),
            "tes test": [*tes, "--workers", "2", "--", "-p", "no:cacheprovider", *paths],
        }

    def run(self, argv: list[str], folder: Path, **more: str) -> Measured:
        shutil.rmtree(self.out, ignore_errors=True)
        return measured(argv, folder, self.environment | more, log=self.scratch / "log.txt")

    def plain(self, folder: Path, paths: tuple[str, ...]) -> tuple[dict[str, str], float]:
        """Outcomes, and the sum of all test times, of an unmeasured run in plain pytest."""
        path = self.scratch / "plain.json"
        path.unlink(missing_ok=True)
        more = {"PYTHONPATH": str(self.scratch / "plug"), "BENCH_OUTCOMES": str(path)}
        self.run(self.pytest("-p", "bench_outcomes", "-p", "no:xdist", *paths), folder, **more)
        return of_reports(path)


def suite(bench: Bench, project: Project, folder: Path, rounds: int, idle: dict[str, float]) -> dict[str, Any]:
    """One suite in all modes: medians, the limit, and each case that came out otherwise than in plain pytest."""
    bench.run(bench.pytest("--collect-only", *project.paths), folder)
    outcomes, tests = bench.plain(folder, project.paths)
    runs: dict[str, list[Measured]] = {}
    collecting: list[float] = []
    others: set[str] = set()
    for _ in range(rounds):
        for mode, argv in bench.modes(project.paths).items():
            home = {"PYTHONPATH": str(ROOT)} if mode == "tes test" else {}
            runs.setdefault(mode, []).append(bench.run(argv, folder, **home))
            if mode == "engine":
                others.update(difference(outcomes, of_journal(bench.out)))
        collecting.append(bench.run(bench.pytest("--collect-only", *project.paths), folder).wall)
    told: dict[str, Any] = {"cases": len(outcomes), "modes": {mode: _median(of) for mode, of in runs.items()}}
    codes = {mode: sorted({one.code for one in of}) for mode, of in runs.items()}
    collection = max(0.0, statistics.median(collecting) - idle["collect"])
    limit = idle["engine"] + (collection + tests) / 2
    told["limit"] = {"collection_s": round(collection, 2), "tests_s": round(tests, 2), "limit_s": round(limit, 2)}
    told |= {"codes": codes, "differences": sorted(others), "runs": {m: [one.told() for one in of]
             for m, of in runs.items()}}  # fmt: skip
    return told | {"ratios": _ratios(told["modes"], limit)}


def _median(runs: list[Measured]) -> dict[str, float]:
    return {name: round(statistics.median(getattr(one, name) for one in runs), 3) for name in ("wall", "cpu", "peak")}


def _ratios(modes: dict[str, dict[str, float]], limit: float) -> dict[str, float]:
    """The engine's and the command's time by the better xdist mode's, by plain pytest's, by the limit."""
    best = {of: min(modes[mode][of] for mode in XDIST) for of in ("wall", "cpu")}
    found = {}
    for mode in ("engine", "tes test"):
        for of in ("wall", "cpu"):
            found[f"{mode} / xdist, {of}"] = modes[mode][of] / best[of]
            found[f"{mode} / pytest, {of}"] = modes[mode][of] / modes["pytest"][of]
        found[f"{mode} / limit"] = modes[mode]["wall"] / limit
    return {name: round(value, 3) for name, value in found.items()}


def idle_times(bench: Bench, rounds: int) -> dict[str, float]:
    """Seconds that a project of one empty test takes: the engine, and pytest's collection."""
    folder = bench.scratch / "empty"
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_empty.py").write_text("def test_empty():\n    pass\n")
    argvs = {"collect": bench.pytest("--collect-only"), "engine": bench.modes(())["engine"]}
    walls = {name: [bench.run(argv, folder).wall for _ in range(rounds + 1)][1:] for name, argv in argvs.items()}
    return {name: round(statistics.median(of), 3) for name, of in walls.items()}


def table(name: str, told: dict[str, Any]) -> str:
    """A suite as one line."""
    walls = " ".join(f"{told['modes'][mode]['wall']:7.2f}" for mode in told["modes"])
    ratios = told["ratios"]
    numbers = [
        ratios[f"engine / {one}"] for one in ("xdist, wall", "xdist, cpu", "pytest, wall", "pytest, cpu", "limit")
    ]
    same = "same" if not told["differences"] else f"{len(told['differences'])} DIFFER"
    return f"{name:15} {told['cases']:5} {walls}  " + " ".join(f"{one:6.2f}" for one in numbers) + f"  {same}"


HEAD = f"{'wall s, medians':15} cases  pytest    load   steal  engine     tes  /xdist   cpu /pytest   cpu /limit"


def means(suites: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Geometric means of the ratios over the suites."""
    lists: dict[str, list[float]] = {}
    for told in suites:
        for name, value in told["ratios"].items():
            lists.setdefault(name, []).append(value)
    return {name: round(statistics.geometric_mean(of), 3) for name, of in lists.items()}


def versions(python: Path) -> dict[str, str]:
    listed = subprocess.run([str(python), "-m", "pip", "list", "--format=json"], capture_output=True, check=True)
    found = {one["name"].lower(): one["version"] for one in json.loads(listed.stdout)}
    return {"python": platform.python_version(), **{name: found[name] for name in ("pytest", "pytest-xdist")}}


def aims(result: dict[str, Any]) -> list[str]:
    """The issue's aims beside what was seen."""
    found: list[tuple[str, float, float]] = []
    if suites := result.get("suites"):
        ratios = {name: told["ratios"] for name, told in suites.items()}
        found.append(("engine / better xdist, geometric mean", result["means"]["engine / xdist, wall"], 0.5))
        for word, aim in (("xdist, wall", 0.8), ("pytest, wall", 1.05), ("limit", 1.2)):
            worst = max(ratios, key=lambda name: ratios[name][f"engine / {word}"])
            found.append((f"engine / {word}, worst: {worst}", ratios[worst][f"engine / {word}"], aim))
        found.append(("cases that came out otherwise", sum(len(of["differences"]) for of in suites.values()), 0))
    if "skewed" in result:
        found.append(("skewed, engine / ideal", result["skewed"]["of_ideal"]["engine"], 1.05))
    if told := result.get("kills"):
        bad = sum(told[name] for name in ("lost", "doubled", "wrong", "hung"))
        found.append((f"lost, doubled, wrong after {told['kills']} kills", bad, 0))
    return [f"{'met   ' if value <= aim else 'MISSED'}  {name}: {value:g} (aim: at most {aim:g})"
            for name, value, aim in found]  # fmt: skip


def main() -> None:
    """Prints the tables and writes them beside the others."""
    given = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    given.add_argument("--quick", action="store_true", help="one round, fewer tests, 50 kills")
    given.add_argument("--only", default=",".join(PARTS), help="parts, by commas")
    given.add_argument("--suite", action="append", default=[], choices=[one.name for one in SUITES])
    given.add_argument("--rounds", type=int, help="of the suites (default: 5)")
    given.add_argument("--cache", type=Path, default=CACHE)
    given.add_argument("--out", type=Path)
    options = given.parse_args()
    rounds, few = options.rounds or (1 if options.quick else 5), 1 if options.quick else 3
    parts = options.only.split(",")
    python, folders = prepared(options.cache.resolve(), options.suite)
    result: dict[str, Any] = {"quick": options.quick, "rounds": rounds, "when": time.strftime("%Y-%m-%d"),
                              "machine": {"cpus": os.cpu_count(), "platform": platform.platform()},
                              "versions": versions(python), "load_before": os.getloadavg()[0]}  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(python, Path(scratch))
        if "suites" in parts:
            result |= {"idle": (idle := idle_times(bench, 3)), "suites": {}}
            print(HEAD)
            for project in SUITES:
                if project.name in folders:
                    told = suite(bench, project, folders[project.name], rounds, idle)
                    result["suites"][project.name] = told
                    print(table(project.name, told), flush=True)
                    for line in told["differences"][:5]:
                        print(f"    {line}")
            result["means"] = means(result["suites"].values())
            print(json.dumps(result["means"], indent=2))
        if "skewed" in parts:
            result["skewed"] = skewed(python, options.cache.resolve(), Path(scratch), few, options.quick)
            print({name: result["skewed"][name] for name in ("tests", "ideal_s", "wall_s", "of_ideal")}, flush=True)
        if "kills" in parts:
            count = (50, 5) if options.quick else (1000, 20)
            result["kills"] = kills(python, Path(scratch), *count)
            print(result["kills"], flush=True)
    result |= {"load_after": os.getloadavg()[0], "aims": aims(result)}
    print("\n".join(result["aims"]))
    path = options.out or ROOT / "benchmarks/results" / ("engine-quick.json" if options.quick else "engine.json")
    path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
