"""Workers killed at random moments: is any case lost, told twice or told wrong?"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks._measured import children
from benchmarks._outcomes import PLUGIN, events, of_reports
from toolchain.engine_argv import engine_argv

CASES, FILES = 400, 20
LIMIT = 240.0
RUNNING = """
import os
def pytest_runtest_call(item):
    os.close(os.open(f"{os.environ['BENCH_RUNNING']}/{os.getpid()}", os.O_CREAT, 0o600))
"""
"""The project's conftest.py: no worker is killed before it runs a test."""


def generate(root: Path) -> dict[str, str]:
    """A project with cases of every kind, and what each must come to."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    (root / "pytest.ini").write_text("[pytest]\n")
    (root / "conftest.py").write_text(RUNNING)
    bodies = {"passed": "    pass\n", "failed": "    assert False\n", "skipped": "    pytest.skip('so')\n",
              "xfailed": "    pytest.xfail('so')\n"}  # fmt: skip
    expected: dict[str, str] = {}
    for file in range(FILES):
        text = "import time\nimport pytest\n"
        for number in range(CASES // FILES):
            kind = "passed" if number % 5 else ("failed", "skipped", "xfailed", "passed")[number // 5 % 4]
            text += f"\ndef test_{number}():\n    time.sleep({0.002 + number % 7 * 0.006:.3f})\n{bodies[kind]}"
            expected[f"test_{file:02}.py::test_{number}"] = kind
        (root / f"test_{file:02}.py").write_text(text)
    return expected


def kills(
    python: Path, environment: Mapping[str, str], scratch: Path, wanted: int, beside: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """`wanted` kills of the engine's workers over as many runs as it takes, and `beside` of pytest-xdist's."""
    chance = random.Random(3)
    root, out = scratch / "kills", scratch / "kills-out"
    expected = generate(root)
    tally: Counter[str] = Counter()
    examples: list[str] = []
    while tally["kills"] < wanted:
        shutil.rmtree(out, ignore_errors=True)
        argv = engine_argv(str(python), out, ["-q", "-p", "no:cacheprovider"], workers=2)
        done, slow = _shoot(argv, root, environment, chance, wanted - tally["kills"], 0.05)
        tally.update({"kills": done, "runs": 1, "hung": slow})
        for kind, text in judged(out, expected):
            tally[kind] += 1
            if kind != "attempts_lost":
                examples.append(f"run {tally['runs']}: {kind}: {text}")
        say(f"kills: {tally['kills']} of {wanted}, {tally['attempts_lost']} attempts lost, {len(examples)} complaints")
        if tally["runs"] >= 20 and tally["kills"] < tally["runs"]:
            break  # it cannot be killed any more: the table will say how often it was
    xdist = _xdist(python, root, environment, scratch, expected, chance, beside)
    names = ("kills", "runs", "attempts_lost", "lost", "doubled", "wrong", "given_up", "problems", "hung")
    return {
        "cases": len(expected),
        "wanted": wanted,
        **{name: tally[name] for name in names},
        "examples": examples[:20],
        "xdist": xdist,
    }


def judged(out: Path, expected: dict[str, str]) -> list[tuple[str, str]]:
    """What is to be said of one run's journal: (kind, words). `attempts_lost` is what a kill may cost; `given_up` is a
    case that was killed in every attempt of its budget and says so."""
    found: list[tuple[str, str]] = []
    told = events(out)
    results = [event for event in told if event["e"] == "result"]
    by_case: dict[str, list[dict[str, Any]]] = {}
    for event in sorted(results, key=lambda event: int(event["n"])):
        by_case.setdefault(event["id"], []).append(event)
    for case, right in expected.items():
        of = by_case.pop(case, [])
        found += [("attempts_lost", case)] * sum(event["o"] == "crashed" for event in of)
        final = [event for event in of if event["o"] != "crashed"]
        if not of:
            found.append(("lost", case))
        elif not final:
            found.append(("given_up", case))
        elif len(final) > 1 or len({event["n"] for event in of}) < len(of):
            found.append(("doubled", f"{case} {[(event['n'], event['o']) for event in of]}"))
        elif final[0]["o"] != right:
            found.append(("wrong", f"{case} {final[0]['o']}, not {right}"))
    found += [("wrong", f"{case} is no case of the project") for case in by_case]
    found += [("problems", event["text"]) for event in told if event["e"] == "problem"]
    if not any(event["e"] == "end" for event in told):
        found.append(("problems", "the journal has no end"))
    return found


def _shoot(
    argv: list[str], root: Path, environment: Mapping[str, str], chance: random.Random, most: int, mean: float
) -> tuple[int, int]:
    """Runs a command and kills one of its children that run tests now and then, `mean` seconds apart: (kills, 1 if it
    hung)."""
    running = root.parent / "running"
    shutil.rmtree(running, ignore_errors=True)
    running.mkdir()
    environment = {**environment, "BENCH_RUNNING": str(running)}
    process = subprocess.Popen(argv, cwd=root, env=environment, start_new_session=True, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    count, began = 0, time.monotonic()
    try:
        while process.poll() is None:
            time.sleep(chance.expovariate(1 / mean))
            if time.monotonic() - began > LIMIT:
                return count, 1
            victims = [one for one in children(process.pid) if (running / str(one)).exists()]
            if victims and count < most:
                try:
                    os.kill(chance.choice(victims), signal.SIGKILL)
                    count += 1
                except ProcessLookupError:
                    continue
        return count, 0
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def _xdist(
    python: Path,
    root: Path,
    environment: Mapping[str, str],
    scratch: Path,
    expected: dict[str, str],
    chance: random.Random,
    wanted: int,
) -> dict[str, Any]:
    """The same for pytest-xdist: cases that came out wrong, and cases with no result."""
    plugin, path = scratch / "plug", scratch / "xdist.json"
    plugin.mkdir(exist_ok=True)
    (plugin / "bench_outcomes.py").write_text(PLUGIN)
    environment = {**environment, "PYTHONPATH": str(plugin), "BENCH_OUTCOMES": str(path)}
    argv = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "bench_outcomes", "-n", "2"]
    tally: Counter[str] = Counter()
    while tally["kills"] < wanted and tally["runs"] < 10:
        path.unlink(missing_ok=True)
        done, hung = _shoot(argv, root, environment, chance, wanted - tally["kills"], 0.5)
        tally.update({"kills": done, "runs": 1, "hung": hung})
        try:
            outcomes, _ = of_reports(path)
        except (OSError, json.JSONDecodeError):
            tally["no_report"] += 1
            continue
        tally["lost"] += sum(case not in outcomes for case in expected)
        tally["wrong"] += sum(outcomes.get(case, right) != right for case, right in expected.items())
    return {name: tally[name] for name in ("kills", "runs", "lost", "wrong", "hung", "no_report")}
