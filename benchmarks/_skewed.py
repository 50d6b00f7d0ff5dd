"""600 tests of very unequal length, whose lengths are known: how near does each runner come to an even split?

They sleep, so that the lengths are exact and a loaded machine hardly disturbs them: this measures the handing out of
cases and the runner's own time, not who gets the processor.
"""

from __future__ import annotations

import json
import random
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
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


def skewed(
    python: Path,
    environment: Mapping[str, str],
    cache: Path,
    scratch: Path,
    rounds: int,
    quick: bool,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Medians of each runner's wall seconds, and their ratio to the ideal. RuntimeError when one does not exit 0: every
    test passes."""
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
    measured([str(python), "-m", "pytest", *quiet, "--collect-only"], root, environment)  # leaves compiled files
    for number in range(rounds):
        for name, argv in modes.items():
            shutil.rmtree(out, ignore_errors=True)
            ran = measured(argv, root, environment)
            if ran.code != 0:
                raise RuntimeError(f"skewed: {name} ended with {ran.code}")
            walls.setdefault(name, []).append(ran.wall)
        walls.setdefault("pytest-split", []).append(_split(python, environment, cache, root, durations, quiet))
        say(f"skewed {number + 1}/{rounds}: " + ", ".join(f"{name} {of[-1]:.2f}" for name, of in walls.items()))
    found = {name: round(statistics.median(values), 2) for name, values in walls.items()}
    ratios = {name: round(wall / ideal, 3) for name, wall in found.items()}
    return {"tests": len(known), "ideal_s": round(ideal, 2), "rounds": rounds, "wall_s": found, "of_ideal": ratios,
            "walls_s": walls}  # fmt: skip


def _split(
    python: Path, environment: Mapping[str, str], cache: Path, root: Path, durations: Path, quiet: list[str]
) -> float:
    """Two processes beside each other, each with its half as pytest-split plans it. Seconds until both are done."""
    environment = {**environment, "PYTHONPATH": str(cache / "split")}
    argv = [str(python), "-m", "pytest", *quiet, "-p", "no:xdist", "--splits", "2", "--durations-path", str(durations)]
    argv += ["--splitting-algorithm", "least_duration", "--group"]
    began = time.perf_counter()
    halves = [subprocess.Popen([*argv, str(group)], cwd=root, env=environment, stdout=subprocess.DEVNULL)
              for group in (1, 2)]  # fmt: skip
    codes = [half.wait() for half in halves]
    if codes != [0, 0]:
        raise RuntimeError(f"skewed: pytest-split ended with {codes}")
    return time.perf_counter() - began
