"""One suite in every mode, round after round, and what makes its row worth nothing."""

from __future__ import annotations

import os
import shutil
import statistics
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks._measured import Measured, measured
from benchmarks._outcomes import PLUGIN, difference, newest_journal, of_journal, of_reports
from benchmarks._suites import Part
from toolchain.engine_argv import engine_argv

ROOT = Path(__file__).resolve().parent.parent
QUIET = ("-q", "-p", "no:cacheprovider")
ALONE = ("-p", "no:xdist")
"""pytest-xdist is for its own modes; the engine keeps it out by itself."""
XDIST = ("xdist load", "xdist worksteal")
Outcomes = dict[str, str]


class Bench:
    """What all runs share. `environment` is that of a person whose virtual environment is active; `tes test` records
    nothing, or it would do so while the next mode is measured."""

    def __init__(self, python: Path, scratch: Path) -> None:
        self.python, self.scratch, self.out, self.home = python, scratch, scratch / "out", scratch / "home"
        unwanted = ("PYTEST_", "PYTHON", "COV_", "TES_", "VIRTUAL_ENV")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        self.environment |= {"VIRTUAL_ENV": str(python.parent.parent), "TES_HOME": str(self.home), "TES_RECORD": "0"}
        self.environment["PATH"] = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
        (scratch / "plug").mkdir()
        (scratch / "plug/bench_outcomes.py").write_text(PLUGIN)

    def pytest(self, *words: str) -> list[str]:
        return [str(self.python), "-m", "pytest", *QUIET, *words]

    def modes(self, arguments: tuple[str, ...]) -> dict[str, list[str]]:
        tes = [sys.executable, "-c", "from cli.main import command; command()", "test", "."]
        return {
            "pytest": self.pytest(*ALONE, *arguments),
            "xdist load": self.pytest("-n", "2", "--dist", "load", *arguments),
            "xdist worksteal": self.pytest("-n", "2", "--dist", "worksteal", *arguments),
            "engine": engine_argv(str(self.python), self.out, [*QUIET, *arguments], workers=2),
            "tes test": [*tes, "--workers", "2", "--", "-p", "no:cacheprovider", *arguments],
        }

    def run(self, argv: list[str], folder: Path, **more: str) -> Measured:
        shutil.rmtree(self.out, ignore_errors=True)
        return measured(argv, folder, self.environment | more, log=self.scratch / "log.txt")

    def noted(self, argv: list[str], folder: Path) -> tuple[Measured, Outcomes, float]:
        """pytest or pytest-xdist with the plugin that notes: (the run, outcomes, the sum of all test times)."""
        path = self.scratch / "noted.json"
        path.unlink(missing_ok=True)
        more = {"PYTHONPATH": str(self.scratch / "plug"), "BENCH_OUTCOMES": str(path)}
        ran = self.run([*argv, "-p", "bench_outcomes"], folder, **more)
        return (ran, *of_reports(path)) if path.exists() else (ran, {}, 0.0)


def idle_times(bench: Bench, rounds: int) -> dict[str, float]:
    """Seconds that a project of one empty test takes: the engine, and pytest's collection."""
    folder = bench.scratch / "empty"
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_empty.py").write_text("def test_empty():\n    pass\n")
    argvs = {"collect": bench.pytest(*ALONE, "--collect-only"), "engine": bench.modes(())["engine"]}
    walls = {name: [bench.run(argv, folder).wall for _ in range(rounds + 1)][1:] for name, argv in argvs.items()}
    return {name: round(statistics.median(of), 3) for name, of in walls.items()}


def race(
    bench: Bench, part: Part, folder: Path, rounds: int, idle: Mapping[str, float], say: Callable[[str], None]
) -> dict[str, Any]:
    """One suite: medians of each mode, the limit, and what is wrong. With a single round the runs of pytest-xdist are
    those that note outcomes, too; with more, noting is apart from measuring."""
    modes = bench.modes(part.arguments)
    collect = bench.pytest(*ALONE, "--collect-only", *part.arguments)
    bench.run(collect, folder)  # leaves compiled files for all
    noted = [bench.noted(modes["pytest"], folder) for _ in range(1 if rounds == 1 else 2)]
    plain = noted[-1][1]
    unstable = sorted({line.split(": ")[0] for _, outcomes, _ in noted for line in difference(plain, outcomes)})
    differences: dict[str, set[str]] = {mode: set() for mode in modes}
    runs: dict[str, list[Measured]] = {mode: [] for mode in modes}
    collecting: list[float] = []
    for mode in XDIST:
        ran, outcomes, _ = bench.noted(modes[mode], folder)
        differences[mode].update(difference(plain, outcomes, unstable))
        if rounds == 1:
            runs[mode].append(ran)
    for number in range(rounds):
        for mode in _turned(list(modes), number):
            if rounds == 1 and mode in XDIST:
                continue
            runs[mode].append(bench.run(modes[mode], folder, **_home(mode)))
            if mode in ("engine", "tes test"):
                out = bench.out if mode == "engine" else newest_journal(bench.home)
                differences[mode].update(difference(plain, of_journal(out), unstable))
        collecting.append(bench.run(collect, folder).wall)
        say(f"{number + 1}/{rounds}: " + ", ".join(f"{mode} {of[-1].wall:.2f}" for mode, of in runs.items()))
    collection = max(0.0, statistics.median(collecting) - idle["collect"])
    tests = statistics.mean(seconds for _, _, seconds in noted)
    limit = idle["engine"] + (collection + tests) / 2
    told: dict[str, Any] = {"cases": len(plain), "part": part.name, "rounds": rounds, "unstable": unstable}
    told["bad"] = sum(status in ("failed", "error") for status in plain.values())
    told["limit"] = {"startup_s": idle["engine"], "collection_s": round(collection, 2), "tests_s": round(tests, 2),
                     "limit_s": round(limit, 2)}  # fmt: skip
    told["modes"] = {mode: _median(of) for mode, of in runs.items()}
    told["codes"] = {mode: sorted({one.code for one in of}) for mode, of in runs.items()}
    told["differences"] = {mode: sorted(of) for mode, of in differences.items() if of}
    told["void"] = void(told["codes"], differences, len(plain), [mode for mode in runs if any(_late(runs[mode]))])
    told["ratios"] = ratios(told["modes"], limit)
    return told | {"runs": {mode: [one.told() for one in of] for mode, of in runs.items()}}


def void(codes: Mapping[str, list[int]], differences: Mapping[str, set[str]], cases: int, late: list[str]) -> list[str]:
    """Why a row's figures are not to be believed; empty when they are. `codes` are each mode's exit codes: those of
    `tes test` are 1 for failures, as pytest's, and 2 and more when it could not tell."""
    found = [f"{mode} was killed after its time" for mode in late]
    if not cases:
        found.append("no case ran")
    if codes["pytest"] not in ([0], [1]):
        found.append(f"pytest exits with {_words(codes['pytest'])}")
    for mode, seen in codes.items():
        if seen != codes["pytest"] and mode not in late:
            found.append(f"{mode} exits with {_words(seen)}, pytest with {_words(codes['pytest'])}")
    for mode, lines in differences.items():
        if lines:
            found.append(f"{mode}: {len(lines)} cases came out otherwise, the first {min(lines)}")
    return found


def ratios(modes: Mapping[str, Mapping[str, float]], limit: float) -> dict[str, float]:
    """The engine's and the command's time by the better xdist mode's, by plain pytest's, by the limit."""
    best = {of: min(modes[mode][of] for mode in XDIST) for of in ("wall", "cpu")}
    found = {}
    for mode in ("engine", "tes test"):
        for of in ("wall", "cpu"):
            found[f"{mode} / xdist, {of}"] = modes[mode][of] / best[of]
            found[f"{mode} / pytest, {of}"] = modes[mode][of] / modes["pytest"][of]
        found[f"{mode} / limit"] = modes[mode]["wall"] / limit
    return {name: round(value, 3) for name, value in found.items()}


def _turned(modes: list[str], number: int) -> list[str]:
    """Another mode is the first in each round, so that none always follows the same one."""
    at = number % len(modes)
    return modes[at:] + modes[:at]


def _home(mode: str) -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT)} if mode == "tes test" else {}


def _late(runs: list[Measured]) -> list[bool]:
    return [one.late for one in runs]


def _words(codes: list[int]) -> str:
    return " or ".join(map(str, codes))


def _median(runs: list[Measured]) -> dict[str, float]:
    return {name: round(statistics.median(getattr(one, name) for one in runs), 3) for name in ("wall", "cpu", "peak")}
