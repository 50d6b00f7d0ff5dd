"""Is what flakes told from what is broken, and what do the questions cost on a million attempts?

    python benchmarks/flakiness.py [--quick]

Histories are simulated (`_histories.py`): 1,000 stable cases and 40 of each other kind, 100 contents, days on which a
machine makes two fifths of all attempts fail. `domain.flakiness` stands beside a counter of flips, which calls a case
flaky when it changed between pass and fail at least n times: with 2, which anybody would try first, and with the n that
suits it best in the very data that it is measured on, which nobody has in life; once more without the runs in which
much failed, to tell what that alone is worth. A regression, repaired or not, and a fixed case are no flaky cases.

Precision is how many of those that are called flaky are, recall how many of those that are, are called so. The cases
are a simulation: it shows how the two ways differ, not how good they are on a real project. Two rules were mended after
a look at the quick mode's histories; the others, of the full mode, were looked at afterwards only.

The questions are asked of SQLite with 1,000,000 attempts, 100,000 in quick mode (`_million.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import _million  # noqa: E402
from benchmarks._histories import KINDS, Case, project  # noqa: E402
from domain.flakiness import Seen, State, assess  # noqa: E402

# Name, runs of each content, whether what failed is tried again.
QUICK, SEEDS = (0,), (1, 2, 3, 4, 5)
WAYS = (("3 runs a content", 3, False), ("1 run, 1 retry", 1, True), ("1 run a content", 1, False))


def flips(history: Sequence[Seen], *, storms: bool = True) -> int:
    """Changes between pass and fail from one run's first attempt to the next one's; without `storms`, those runs are
    left out."""
    firsts = [one.status.bad for one in history if one.number == 1 and (storms or not one.storm)]
    return sum(before is not after for before, after in pairwise(firsts))


def scores(cases: Sequence[Case], called: Sequence[bool], true: Sequence[bool]) -> dict[str, Any]:
    """Precision, recall, F1, and what share of each kind was called so; ratios 0..1, precision 1 when none was."""
    hits = sum(said and is_so for said, is_so in zip(called, true, strict=True))
    precision = hits / sum(called) if any(called) else 1.0
    recall = hits / sum(true)
    kinds: dict[str, list[bool]] = {name: [] for name in KINDS}
    for case, said in zip(cases, called, strict=True):
        kinds[case.kind].append(said)
    return {
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(2 * precision * recall / (precision + recall), 4) if precision + recall else 0.0,
        "called": {name: round(sum(said) / len(said), 4) for name, said in kinds.items()},
    }


def judged(runs_each: int, retry: bool, seeds: Sequence[int]) -> dict[str, Any]:
    """All ways of judging the same histories."""
    cases = [case for seed in seeds for case in project(seed, runs_each, retry)]
    flaky = [case.flaky for case in cases]
    states = [assess(case.history).state for case in cases]
    naive, best = _counters(cases, flaky, storms=True)
    calm, calmest = _counters(cases, flaky, storms=False)
    return {
        "cases": len(cases),
        "flaky": {
            "ours": scores(cases, [state is State.FLAKY for state in states], flaky),
            "flips >= 2": naive[2],
            f"flips >= {best}, the best": naive[best],
            f"flips >= {calmest}, the best, no storms": calm[calmest],
        },
        "broken": {"ours": scores(cases, [state is State.BROKEN for state in states], [case.broken for case in cases])},
    }


def _counters(cases: Sequence[Case], flaky: Sequence[bool], *, storms: bool) -> tuple[dict[int, dict[str, Any]], int]:
    """The counter with every n, and the n with the best F1."""
    counted = [flips(case.history, storms=storms) for case in cases]
    found = {n: scores(cases, [count >= n for count in counted], flaky) for n in range(1, max(counted) + 1)}
    return found, max(found, key=lambda n: found[n]["f1"])


def _table(name: str, told: dict[str, Any]) -> None:
    print(f"\n{name}: {told['cases']:,} cases{'':<14}precision  recall    f1   called so, % of each kind")
    for what in ("flaky", "broken"):
        for way, one in told[what].items():
            shares = ", ".join(f"{kind}: {100 * share:.1f}" for kind, share in one["called"].items() if share)
            label = f"  {what}: {way}"
            print(f"{label:<46}{one['precision']:>9.3f}{one['recall']:>8.3f}{one['f1']:>6.2f}   {shares}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one simulated project each, and 100,000 attempts")
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    chosen = parser.parse_args()
    quick = "-quick" if chosen.quick else ""
    output = chosen.output or ROOT / "benchmarks" / "results" / f"flakiness{quick}.json"
    found = {}
    for name, runs_each, retry in WAYS:
        found[name] = judged(runs_each, retry, QUICK if chosen.quick else SEEDS)
        _table(name, found[name])
    with tempfile.TemporaryDirectory(prefix="tes-bench-") as folder:
        asked = _million.measured(Path(folder), runs=25 if chosen.quick else _million.RUNS)
    sizes = {name: int(asked.pop(name)) for name in ("attempts", "suspects found")}
    print(f"\nquestions of {sizes['attempts']:,} attempts in SQLite, medians on a warm file")
    for question, number in asked.items():
        print(f"  {question:<24}{number:>9.1f} ms")
    machine: dict[str, object] = {
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
    }
    machine["load"] = round(os.getloadavg()[0], 1)
    questions = {**sizes, "ms": {name: round(number, 2) for name, number in asked.items()}}
    told = {"machine": machine, "judged": found, "questions": questions}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
