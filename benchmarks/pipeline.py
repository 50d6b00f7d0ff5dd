"""The time of a release that no tool explains; beside the same tools in a bash script, and beside a bare Prefect flow.

    python benchmarks/pipeline.py [--quick] [--json]

Releases a copy of examples/checkout to `staging` on the local platform, again and again, and measures

- wall: from starting `tes release --json` to its end, as a person waits for it;
- first stage: from starting it to the line `build: started`, stamped when the line arrives;
- critical path: the seconds that the stages themselves report, along the longest way through the pipeline: build + the
  slowest of scans and suites, which run side by side + load + deploy + verify. A stage's seconds are those of its
  tools, of starting the service, and of the bake time that the project asks for, plus what we add inside a stage:
  hence also the comparison with the script;
- unexplained: wall minus critical path; of it, before the first stage (first stage), between stages, and after the
  last one (end);
- against bash: wall minus the median wall of a script with the very same tools, arguments and waits (`_chain.py`).

A *fresh home* has no state at all: the runtime is started, environments are made. (pip's cache is filled before, for
both, so that the network is not measured; the migrated template of Prefect's database is there, as `make install`
leaves it.) A *warm home* has a running runtime and the environments; one line of the service's code is changed before
each run, so that every stage does its work. *Unchanged*: the same again; all is reused but verify.
Subjects alternate, so that a busy spell of the machine hits all of them. Medians, and the best of each beside them,
because such spells are one-sided; every run says the machine's load average at its end.

Aims: warm, unexplained < 3 s and < 5 % of a pipeline of 60 s; first stage < 15 s on a fresh home and < 1.5 s on a warm
one; unchanged < 5 s. Writes benchmarks/results/pipeline.json. Exit code 1 when a release is not PASS, not when the
machine was too busy for an aim.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform as machine
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks._chain import Chain  # noqa: E402
from cli.runtime.environment import environment as runtime_environment  # noqa: E402
from cli.runtime.state import read  # noqa: E402
from tasks.spec_file import load_spec  # noqa: E402

TES = [sys.executable, "-P", "-m", "cli.main"]
# A release of checkout: six scans and suites side by side, ten tasks one after another.
BARE = ("6", "10")
PIPELINE_S = 60.0
Numbers = dict[str, float]


class Home:
    """A home of its own for the system under test; nothing of the user's is read or written."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.path = folder / "tes"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TES_", "PREFECT_"))}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        own = {"HOME": str(folder), "TES_HOME": str(self.path), "PIP_CACHE_DIR": str(cache), "PATH": path}
        self.environment = {**kept, **own, "PYTHONPATH": str(ROOT)}
        folder.mkdir(parents=True)

    def tes(self, *words: str) -> None:
        subprocess.run([*TES, *words], env=self.environment, check=True, capture_output=True, timeout=300)

    def release(self, project: Path) -> tuple[Numbers, dict[str, Any]]:
        """The numbers of one release, and its report."""
        began = time.monotonic()
        process = subprocess.Popen(
            [*TES, "release", str(project), "-e", "staging", "--json"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        lines: list[tuple[float, str]] = []
        assert process.stdout is not None and process.stderr is not None
        told = process.stderr

        def stamp() -> None:
            lines.extend((time.monotonic() - began, line.rstrip()) for line in told)

        reader = threading.Thread(target=stamp)
        reader.start()
        out = process.stdout.read()
        code = process.wait(600)
        wall = time.monotonic() - began
        reader.join()
        if code != 0:
            raise RuntimeError("\n".join([f"tes release ended with {code}", *(line for _, line in lines)]))
        report = json.loads(out)
        first = next(moment for moment, line in lines if re.search(r" build: started$", line))
        last = max(moment for moment, line in lines if re.search(r" \S+: (PASS|FAIL|INCONCLUSIVE) \(", line))
        path = critical_path(report["stages"])
        unexplained = wall - path
        numbers = {"wall": wall, "critical_path": path, "unexplained": unexplained, "first_stage": first}
        numbers |= {"between": unexplained - first - (wall - last), "end": wall - last, "load": os.getloadavg()[0]}
        return numbers, report

    def bare(self) -> Numbers:
        """The bare Prefect flow, against the same server."""
        state = read(self.path)
        assert state is not None
        argv = [sys.executable, str(ROOT / "benchmarks/_bare_flow.py"), *BARE]
        own = {**self.environment, **runtime_environment(state.runtime)}
        began = time.monotonic()
        done = subprocess.run(argv, env=own, check=True, capture_output=True, text=True, timeout=120)
        parts = json.loads(done.stdout.splitlines()[-1])
        return {"wall": time.monotonic() - began, "import": parts["import"], "flow": parts["flow"]}

    def settle(self) -> None:
        """Waits until all of the runtime is up, the launcher included."""
        self.tes("up")
        deadline = time.monotonic() + 60
        while not (self.path / "launcher.sock").exists() and time.monotonic() < deadline:
            time.sleep(0.2)


def critical_path(stages: list[dict[str, Any]]) -> float:
    """Seconds along the longest way through the stages of a report."""
    seconds = {stage["name"]: 0.0 if stage["verdict"]["reused"] else stage["seconds"] for stage in stages}
    together = [value for name, value in seconds.items() if name.startswith(("scan.", "tests."))]
    one_by_one = sum(seconds.get(name, 0.0) for name in ("build", "load", "deploy", "verify"))
    return one_by_one + max(together, default=0.0)


def change(project: Path, number: int) -> None:
    """One line of the service's code is another one."""
    with (project / "checkout/pricing.py").open("a") as file:
        file.write(f"# change {number}\n")


def lock_of(home: Home) -> str:
    """What the service's environment was locked to; pip-audit looks at it."""
    locks = [path.read_text() for path in (home.path / "store/environments").glob("*/lock.txt")]
    return min((text for text in locks if "uvicorn" in text), key=len)


def measure(folder: Path, fresh: int, warm: int, say: Callable[[str], None]) -> dict[str, list[Numbers]]:
    """The numbers of every run of every subject."""
    project, cache = folder / "checkout", folder / "pip-cache"
    shutil.copytree(ROOT / "examples/checkout", project, ignore=shutil.ignore_patterns("__pycache__"))
    found: dict[str, list[Numbers]] = {
        name: []
        for name in ("tes, fresh home", "bash, fresh", "tes, warm home", "bash, warm", "tes, unchanged", "bare")
    }
    chain: Chain | None = None
    home = None
    try:
        for number in range(fresh + 1):
            if home is not None:
                home.tes("down", "--all")
            home = Home(folder / f"home-{number}", cache)
            change(project, number)
            numbers, _ = home.release(project)
            if chain is None:  # pip's cache is filled now: what comes after counts
                chain = Chain(folder / "bash", project, load_spec(project).spec, lock_of(home))
                say("pip's cache is filled")
                continue
            found["tes, fresh home"].append(numbers)
            wall, _ = chain.run(home.environment, fresh=True)
            found["bash, fresh"].append({"wall": wall, "load": os.getloadavg()[0]})
            say(f"fresh {number}/{fresh}: tes {numbers['wall']:.1f} s, bash {wall:.1f} s")
        assert home is not None and chain is not None
        home.settle()
        for number in range(warm):
            change(project, fresh + 1 + number)
            changed, report = home.release(project)
            if any(stage["verdict"]["reused"] for stage in report["stages"]):
                raise RuntimeError("a stage was reused though the code was changed")
            found["tes, warm home"].append(changed)
            wall, _ = chain.run(home.environment, fresh=False)
            found["bash, warm"].append({"wall": wall, "load": os.getloadavg()[0]})
            same, _ = home.release(project)
            found["tes, unchanged"].append(same)
            found["bare"].append(home.bare())
            say(f"warm {number + 1}/{warm}: tes {changed['wall']:.1f} s, bash {wall:.1f} s, again {same['wall']:.1f} s")
    finally:
        if home is not None:
            home.tes("down", "--all")
    return found


def summary(runs: dict[str, list[Numbers]], take: Callable[[Iterator[float]], float]) -> dict[str, Numbers]:
    """The median, or the least, of each number of each subject, and of its wall against bash's."""
    medians = {name: {key: round(take(run[key] for run in each), 3) for key in each[0]} for name, each in runs.items()}
    for ours, theirs in (("tes, fresh home", "bash, fresh"), ("tes, warm home", "bash, warm")):
        medians[ours]["against_bash"] = round(medians[ours]["wall"] - medians[theirs]["wall"], 3)
    return medians


def aims(medians: dict[str, Numbers]) -> list[dict[str, Any]]:
    """Each aim, what was measured, and whether it is met, by the medians."""
    fresh, warm, same = (medians[name] for name in ("tes, fresh home", "tes, warm home", "tes, unchanged"))
    rows = [
        ("warm: unexplained, s", warm["unexplained"], 3.0),
        (f"warm: unexplained, % of {PIPELINE_S:.0f} s", 100 * warm["unexplained"] / PIPELINE_S, 5.0),
        ("fresh: first stage after, s", fresh["first_stage"], 15.0),
        ("warm: first stage after, s", warm["first_stage"], 1.5),
        ("unchanged: wall, s", same["wall"], 5.0),
    ]
    return [{"aim": name, "measured": round(got, 2), "below": limit, "met": got < limit} for name, got, limit in rows]


def run(fresh: int, warm: int, say: Callable[[str], None]) -> dict[str, Any]:
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="tes-bench-", ignore_cleanup_errors=True) as folder:
        runs = measure(Path(folder), fresh, warm, say)
    medians, best = summary(runs, statistics.median), summary(runs, min)
    return {
        "benchmark": "pipeline",
        "cores": os.cpu_count(),
        # Ours included: a pipeline keeps both cores of a small machine busy.
        "load_average": {"before": round(before, 2), "after": round(os.getloadavg()[0], 2)},
        "python": machine.python_version(),
        "prefect": importlib.metadata.version("prefect"),
        "load_generator": "k6" if shutil.which("k6") else "locust",
        "medians": medians,
        "best": best,
        "aims": aims(medians),
        "runs": {name: [{k: round(v, 3) for k, v in one.items()} for one in each] for name, each in runs.items()},
    }


def table(report: dict[str, Any]) -> str:
    columns = ("wall", "critical_path", "unexplained", "first_stage", "between", "end", "against_bash", "load")
    lines = []
    for which in ("medians", "best"):
        lines.append(f"{f'seconds, {which}':18}" + "".join(f"{name.replace('_', ' '):>14}" for name in columns))
        for name, numbers in report[which].items():
            cells = "".join(f"{numbers[key]:>14.2f}" if key in numbers else f"{'':14}" for key in columns)
            lines.append(f"{name:18}{cells}")
    bare = report["medians"]["bare"]
    lines.append(f"bare: a Prefect flow of 16 empty tasks: {bare['flow']:.2f} s, and {bare['import']:.2f} s to import")
    for aim in report["aims"]:
        lines.append(
            f"{'met' if aim['met'] else 'MISSED':7} {aim['aim']}: {aim['measured']:g} (aim: < {aim['below']:g})"
        )
    load = report["load_average"]
    lines.append(f"{report['cores']} cores, load average {load['before']} before, {load['after']} after")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="1 fresh and 2 warm runs instead of 2 and 4")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--fresh", type=int, help="how many runs on a fresh home")
    parser.add_argument("--warm", type=int, help="how many on a warm one")
    options = parser.parse_args()
    fresh, warm = (1, 2) if options.quick else (2, 4)
    report = run(options.fresh or fresh, options.warm or warm, lambda text: print(text, file=sys.stderr, flush=True))
    results = ROOT / "benchmarks/results"
    results.mkdir(exist_ok=True)
    name = "pipeline-quick.json" if options.quick else "pipeline.json"
    (results / name).write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1) if options.json else table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
