"""600 tests of very unequal length, whose lengths are known: how near does each runner come to an even split?

They sleep, so that the lengths are exact and a loaded machine hardly disturbs them: this measures the handing out of
cases and the runner's own time, not who gets the processor.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks._measured import measured
from toolchain.engine_argv import engine_argv

SEED, FILES, TOTAL, LONGEST = 10, 30, 57.4, 4.0


def lengths(count: int, total: float) -> list[float]:
    """`count` seconds of a Pareto distribution (shape 1.2, cut at LONGEST), which add up to `total`."""
    chance = random.Random(SEED)
    drawn = [min(chance.paretovariate(1.2), 60.0) for _ in range(count)]
    return [min(LONGEST, total * one / sum(drawn)) for one in drawn]


def generate(root: Path, count: int, total: float) -> dict[str, float]:
    """The project, and the seconds of each case as history would have them."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    (root / "pytest.ini").write_text("[pytest]\n")
    known: dict[str, float] = {}
    texts = {f"test_{file:02}.py": "import time\n" for file in range(FILES)}
    for number, seconds in enumerate(lengths(count, total)):
        file = f"test_{number % FILES:02}.py"
        texts[file] += f"\ndef test_{number}():\n    time.sleep({seconds:.6f})\n"
        known[f"{file}::test_{number}"] = round(seconds, 6)
    for file, text in texts.items():
        (root / file).write_text(text)
    return known


def skewed(python: Path, cache: Path, scratch: Path, rounds: int, quick: bool) -> dict[str, Any]:
    """Medians of each runner's wall seconds, and their ratio to the ideal."""
    root, out = scratch / "skewed", scratch / "skewed-out"
    known = generate(root, *((120, TOTAL / 5) if quick else (600, TOTAL)))
    ideal = max(sum(known.values()) / 2, max(known.values()))
    durations = scratch / "durations.json"
    durations.write_text(json.dumps(known))
    quiet = ["-q", "-p", "no:cacheprovider"]
    xdist = [str(python), "-m", "pytest", *quiet, "-n", "2", "--dist"]
    modes = {"engine": engine_argv(str(python), out, quiet, workers=2, durations=durations),
             "xdist worksteal": [*xdist, "worksteal"], "xdist load": [*xdist, "load"]}  # fmt: skip
    walls: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, argv in modes.items():
            shutil.rmtree(out, ignore_errors=True)
            ran = measured(argv, root, dict(os.environ))
            assert ran.code == 0, f"{name} ended with {ran.code}"
            walls.setdefault(name, []).append(ran.wall)
        walls.setdefault("pytest-split", []).append(_split(python, cache, root, durations, quiet))
    found = {name: round(statistics.median(values), 2) for name, values in walls.items()}
    ratios = {name: round(wall / ideal, 3) for name, wall in found.items()}
    return {"tests": len(known), "ideal_s": round(ideal, 2), "rounds": rounds, "wall_s": found, "of_ideal": ratios,
            "walls_s": walls}  # fmt: skip


def _split(python: Path, cache: Path, root: Path, durations: Path, quiet: list[str]) -> float:
    """Two processes beside each other, each with its half as pytest-split plans it. Seconds until both are done."""
    environment = {**os.environ, "PYTHONPATH": str(cache / "split")}
    argv = [str(python), "-m", "pytest", *quiet, "--splits", "2", "--durations-path", str(durations)]
    argv += ["--splitting-algorithm", "least_duration", "--group"]
    began = time.perf_counter()
    halves = [subprocess.Popen([*argv, str(group)], cwd=root, env=environment, stdout=subprocess.DEVNULL)
              for group in (1, 2)]  # fmt: skip
    codes = [half.wait() for half in halves]
    assert codes == [0, 0], f"pytest-split ended with {codes}"
    return time.perf_counter() - began
