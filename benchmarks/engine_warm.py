"""A rerun of one small file in a project that imports something heavy: `python benchmarks/engine_warm.py`.

Milliseconds from asking for the run to the first result in its journal, and to its end; a fresh engine against a
resident one. Medians of 5. Prints a table and leaves results/engine_warm.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from domain.spec import Suite
from tasks.resident import Warm
from tasks.suite_run import Job, run
from tes_engine.journal import Event

ROUNDS = 5
TEST = "import pydantic, sqlalchemy, sqlmodel\ndef test_a():\n    assert sqlalchemy.select and pydantic.BaseModel\n"


def measured(root: Path, warm: Warm | None) -> dict[str, float]:
    """Milliseconds to the first result and to the end."""
    suite = Suite(name="unit", framework="pytest", paths=["."], workers=1).model_dump(mode="json")
    first, whole = [], []
    for number in range(ROUNDS):
        assert warm is None or warm.residents["unit"].ready(), "a fresh engine would be measured"
        out = tempfile.mkdtemp(dir=root.parent)
        began = time.perf_counter()
        seen: list[float] = []

        def tell(events: list[Event], seen: list[float] = seen) -> None:
            if not seen and any(event["e"] == "result" for event in events):
                seen.append(time.perf_counter())

        job = Job(suite, str(root), out, sys.executable, dict(os.environ))
        ended = run(job, tell, every=0.002, warm=warm)
        log = Path(out, "stderr.log").read_text() + Path(out, "stdout.log").read_text()
        assert ended.code == 0 and seen, f"round {number}: exit code {ended.code}: {log[-2000:]}"
        first.append(1000 * (seen[0] - began))
        whole.append(1000 * ended.seconds)
    return {"first result": round(statistics.median(first)), "end": round(statistics.median(whole))}


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for name in ("CI", "PYTHONDONTWRITEBYTECODE"):  # pytest would rewrite its plugins at each start
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TES_HOME"] = folder
        root = Path(folder, "project")
        root.mkdir()
        (root / "test_a.py").write_text(TEST)
        cold = measured(root, None)
        warm = Warm()
        try:
            out = str(Path(folder, "first"))
            suite = Suite(name="unit", framework="pytest", paths=["."], workers=1).model_dump(mode="json")
            run(Job(suite, str(root), out, sys.executable, dict(os.environ)), lambda _: None, warm=warm)
            began = time.perf_counter()
            while not warm.residents["unit"].ready():
                time.sleep(0.01)
            ready = round(1000 * (time.perf_counter() - began))
            found: dict[str, dict[str, float]] = {
                "fresh": cold,
                "resident": measured(root, warm),
                "resident ready after": {"end": ready},
            }
        finally:
            warm.stop()
    print(f"{'ms':22}{'first result':>14}{'end':>8}")
    for name, row in found.items():
        print(f"{name:22}{row.get('first result', ''):>14}{row['end']:>8}")
    results = Path(__file__).with_name("results")
    results.mkdir(exist_ok=True)
    (results / "engine_warm.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
