"""The test engine beside pytest and pytest-xdist: how soon are real suites through, and what survives a killed worker?

    python benchmarks/engine.py [--quick] [--part suites|failing|skewed|kills] [--suite click --suite attrs]
                                [--rounds N]
    python benchmarks/engine.py --table

Ten published suites, two workers. In each round every mode runs once, one after the other, so that a busy minute of the
machine is everybody's; a table tells medians. Before a suite is measured its cases are collected (which also leaves
compiled files for all) and run by pytest and by pytest-xdist with a plugin that notes outcomes and times. The engine
has no history of the suite: its first run is measured. `tes test` is the whole command, which learns from round to
round. A row is void when a mode ends otherwise than plain pytest or a case comes out otherwise: it enters no mean.

`failing` is the same for three of them with ten planted failures: the engine proves each before it tells it.

The limit is start-up + (collection + tests) / 2: start-up is the engine with one empty test; collection is
`--collect-only` less that of one empty test; tests is what plain pytest reports for set-ups, calls and tear-downs.

Each part and suite is kept as soon as it is measured, in place of what was there: they can be run one by one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import _failing as failing  # noqa: E402
from benchmarks._figures import aims, means, table  # noqa: E402
from benchmarks._kills import kills  # noqa: E402
from benchmarks._race import Bench, idle_times, race  # noqa: E402
from benchmarks._skewed import skewed  # noqa: E402
from benchmarks._suites import SUITES, prepared  # noqa: E402

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tes-benchmarks"
PARTS = ("suites", "failing", "skewed", "kills")
BEGAN = time.monotonic()


class Kept:
    """The results' file. What is added replaces what was there under the same name, and nothing else."""

    def __init__(self, path: Path, versions: dict[str, str]) -> None:
        self.path, self.versions = path, versions
        self.result: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def add(self, part: str, told: dict[str, Any], load: float, suite: str = "", version: str = "") -> None:
        """Writes what was measured, with where and when. `load` is the load average before it."""
        told["of"] = {
            "when": time.strftime("%Y-%m-%d"),
            "revision": _revision(),
            "machine": {"cpus": os.cpu_count(), "platform": platform.platform()},
            "version": version,
            "versions": self.versions,
            "load": (load, os.getloadavg()[0]),
        }
        if suite:
            rows = {**self.result.get(part, {}), suite: told}
            names = [one.name for one in SUITES]
            self.result[part] = {name: rows[name] for name in names if name in rows}
        else:
            self.result[part] = told
        self.result |= {"means": means(self.result), "aims": aims(self.result)}
        self.path.write_text(json.dumps(self.result, indent=2) + "\n")


def say(text: str) -> None:
    """Progress, with the minutes since the beginning."""
    print(f"[{(time.monotonic() - BEGAN) / 60:5.1f} min] {text}", file=sys.stderr, flush=True)


def _revision() -> str:
    """The commit that is measured, with a plus when something was changed since."""
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "an unknown revision"
    return head.stdout.strip() + "+" * bool(changed.stdout.strip())


def versions(python: Path) -> dict[str, str]:
    listed = subprocess.run([str(python), "-m", "pip", "list", "--format=json"], capture_output=True, check=True)
    found = {one["name"].lower(): one["version"] for one in json.loads(listed.stdout)}
    return {"Python": platform.python_version(), **{name: found[name] for name in ("pytest", "pytest-xdist")}}


def run(options: argparse.Namespace, path: Path) -> None:
    """The parts that were asked for."""
    quick, parts = options.quick, options.part or (["suites"] if options.suite else PARTS)
    rounds = options.rounds or (1 if quick else 5)
    cache = options.cache.resolve()
    say("getting the suites ready")
    python, folders = prepared(cache, options.suite)
    kept = Kept(path, versions(python))
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(python, Path(scratch))
        races = [part for part in ("suites", "failing") if part in parts]
        idle = idle_times(bench, 2 if quick else 5) if races else {}
        for what in races:
            for project in SUITES:
                if project.name not in folders or (what == "failing" and project.name not in failing.SUITES):
                    continue
                folder = folders[project.name]
                if what == "failing":
                    folder = failing.planted(folder, Path(scratch, f"failing-{project.name}"))
                load, part = os.getloadavg()[0], project.chosen(quick, options.whole)
                say(f"{what}: {project.name} {part.name}")
                told = race(bench, part, folder, rounds, idle, say)
                kept.add(what, told, load, project.name, project.requirement.partition("==")[2])
                for reason in told["void"]:
                    say(f"VOID: {reason}")
        if "skewed" in parts:
            load = os.getloadavg()[0]
            kept.add("skewed", skewed(python, bench.environment, cache, Path(scratch), rounds, quick, say), load)
        if "kills" in parts:
            load, counts = os.getloadavg()[0], (options.kills or (50 if quick else 1000), 5 if quick else 20)
            kept.add("kills", kills(python, bench.environment, Path(scratch), *counts, say), load)


def main() -> None:
    """Measures, writes the results beside the others, and prints the table of all that are there."""
    given = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    given.add_argument("--quick", action="store_true", help="one round of small parts, fewer skewed tests, 50 kills")
    given.add_argument("--part", action="append", choices=PARTS, help="only this one; may be repeated")
    given.add_argument("--suite", action="append", default=[], choices=[one.name for one in SUITES])
    given.add_argument("--whole", action="store_true", help="all of each suite, also where that takes minutes a round")
    given.add_argument("--rounds", type=int, help="of suites and skewed tests (default: 5)")
    given.add_argument("--kills", type=int, help="how many (default: 1000)")
    given.add_argument("--cache", type=Path, default=CACHE, help="where suites are downloaded to")
    given.add_argument("--out", type=Path, help="the results' file")
    given.add_argument("--table", action="store_true", help="print the table of the results that are there")
    options = given.parse_args()
    path = options.out or ROOT / "benchmarks/results" / ("engine-quick.json" if options.quick else "engine.json")
    if not options.table:
        run(options, path)
    print(table(json.loads(path.read_text())))


if __name__ == "__main__":
    main()
