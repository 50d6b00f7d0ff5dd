"""What the audit log costs a rollout: the same canary of eight steps with and without it.

    python benchmarks/audit.py [--quick] [--rounds N] [--output FILE]

The memory platform answers at once and the verdicts are made up, so that nothing is left of a rollout but the machine
that carries it out and its notes: entries of the audit log are lines on this disk and go into the records (SQLite)
beside the rollout, and all of them are there before a command ends. Hence two times: of the rollout, from its begin to
its last step, and of the whole, from the asking for the lease until everything is written and the lease is back. In
each round both ways are measured, another one first in each; one round before them is not counted (imports, the
database). Writes benchmarks/results/audit.json. Exit code 1 where an aim is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform as machine
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import records  # noqa: E402
from blocks.platforms.memory import MemoryPlatform  # noqa: E402
from domain.place import Release, Target  # noqa: E402
from domain.rollout import Action, Rollout, plan  # noqa: E402
from domain.spec import EnvironmentSpec, Step, Verify  # noqa: E402
from domain.supply import Artifact  # noqa: E402
from domain.verdict import Outcome, Verdict  # noqa: E402
from tasks import rollout as machinery  # noqa: E402
from tasks.deploy import new_rollout  # noqa: E402
from tasks.diary import Diary  # noqa: E402
from tasks.lease import held  # noqa: E402

TARGET = Target(service="shop", environment="bench")
CANARY = EnvironmentSpec(
    strategy="canary", steps=(Step(weight=20, bake=0), Step(weight=50, bake=0)), verify=Verify(bake=0)
)
WITH, WITHOUT = "with the log", "without"
AIMS = {"rollout": 5.0, "whole": 50.0}
"""Milliseconds that the log may cost in the median."""
ENTRIES = 12
"""Of one rollout: the lease taken and given back, begun, eight steps, promoted."""


async def _healthy(*_: object, **__: object) -> Verdict:
    return Verdict(gate="verify", outcome=Outcome.PASS, reasons=("0 of 50 requests failed, p95 12 ms",))


async def _kept(rollout: Rollout, action: Action, verdict: Verdict, began: float) -> None:
    """The run's own notes are not what is measured."""


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    async def close(self: Diary) -> None:
        """There is nothing to bring in."""

    with patch.object(Diary, "say", lambda self, action, **detail: None), patch.object(Diary, "close", close):
        yield


async def rolled_out(platform: MemoryPlatform, version: str) -> dict[str, float]:
    """Milliseconds of one rollout, and of all from the lease to its return."""
    artifact = Artifact(kind="bundle", digest=f"sha256:{version}", location="nowhere")
    began = time.perf_counter()
    async with held(platform, TARGET, "benchmark") as lease:
        state = await platform.inspect(TARGET)
        steps = plan(CANARY, first=state.stable is None, migrates=False)
        release = Release(service="shop", version=version, artifact=artifact)
        rollout = new_rollout(TARGET, release, state, "canary", steps)
        at = time.perf_counter()
        over = await machinery.carry_out(platform, lease, rollout, CANARY, kept=_kept)
        done = time.perf_counter()
    ended = time.perf_counter()
    assert over.promoted and len(over.plan) == (8 if state.stable else 4), over
    return {"rollout": 1000 * (done - at), "whole": 1000 * (ended - began)}


async def measure(rounds: int) -> dict[str, list[dict[str, float]]]:
    """Both ways, round by round, each on a platform where one release is stable and nothing else has been."""
    told: dict[str, list[dict[str, float]]] = {WITH: [], WITHOUT: []}
    for number in range(rounds + 1):
        for way in (WITH, WITHOUT) if number % 2 else (WITHOUT, WITH):
            platform = MemoryPlatform(world=os.urandom(8).hex())
            with _unlogged():
                await rolled_out(platform, "v1")
            before = _entries()
            with _unlogged() if way is WITHOUT else contextlib.nullcontext():
                one = await rolled_out(platform, "v2")
            written = _entries() - before
            assert written == (ENTRIES if way is WITH else 0), f"{written} entries {way}"
            if number:
                told[way].append(one)
    return told


def _entries() -> int:
    """How many entries there are: they are numbered without a gap."""
    newest = records.audit_entries(1).items
    return newest[0].id if newest else 0


def costs(told: dict[str, list[dict[str, float]]]) -> dict[str, float]:
    """Milliseconds that the log adds: the median of the rounds' differences."""
    pairs = list(zip(told[WITH], told[WITHOUT], strict=True))
    return {what: round(median(one[what] - other[what] for one, other in pairs), 2) for what in AIMS}


def table(told: dict[str, list[dict[str, float]]]) -> str:
    """Markdown."""
    lines = ["| ms, medians | the rollout | from the lease to its return |", "|---|---|---|"]
    for way, rows in told.items():
        lines.append(f"| {way} | {' | '.join(f'{median(one[what] for one in rows):.1f}' for what in AIMS)} |")
    cost = costs(told)
    lines.append(f"| the log costs | {' | '.join(f'{cost[what]:.1f}' for what in AIMS)} |")
    for what, aim in AIMS.items():
        lines.append(
            f"- {'met   ' if cost[what] <= aim else 'MISSED'}  {what}: {cost[what]:g} ms (aim: at most {aim:g})"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="5 rounds")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    chosen = parser.parse_args()
    rounds = 5 if chosen.quick else chosen.rounds
    output = chosen.output or ROOT / "benchmarks" / "results" / f"audit{'-quick' if chosen.quick else ''}.json"
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="tes-bench-") as folder, patch.object(machinery, "verify", _healthy):
        os.environ |= {"TES_HOME": folder, "TES_DATABASE_URL": f"sqlite:///{folder}/records.db"}
        told = asyncio.run(measure(rounds))
        records.close()
    result: dict[str, Any] = {
        "rounds": rounds,
        "steps": 8,
        "entries": ENTRIES,
        "costs_ms": costs(told),
        "aims_ms": AIMS,
        "ms": {way: {what: [round(one[what], 2) for one in rows] for what in AIMS} for way, rows in told.items()},
        "machine": {"cpus": os.cpu_count(), "python": machine.python_version(), "system": machine.system()},
        "load_average": [round(load, 1), round(os.getloadavg()[0], 1)],
        "when": time.strftime("%Y-%m-%d", time.gmtime()),
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1) + "\n")
    print(table(told))
    print(f"{rounds} rounds, {os.cpu_count()} cores, load average {load:.1f} to {os.getloadavg()[0]:.1f}")
    return 0 if all(result["costs_ms"][what] <= aim for what, aim in AIMS.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
