"""`tests.select: changed` through Prefect's deployments: what a change can affect runs, in a snapshot of its own each
time, and the rest is quoted and shown as such in the counts, the records and the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import Tes

pytestmark = pytest.mark.long

# In a process of its own, against the runtime: two runs as a person starts them, then the same flow without a worker.
_RUN = """\
import asyncio, json, os, subprocess, sys, time, urllib.request
from pathlib import Path
from cli import runtime
up = asyncio.run(runtime.up())  # with its worker, which registers the deployments
os.environ.update(runtime.environment(up))
# As the worker's: the tests' environment is a condition of their results.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
project, outside = Path(sys.argv[1]), Path(sys.argv[2])
told = {}

def api(path):
    with urllib.request.urlopen(up.service_url + "/api/v1" + path, timeout=30) as answer:
        return json.load(answer)

def look(name):
    run = api(f"/runs?project={project.name}&limit=1")["items"][0]
    stage = next(s for s in api(f"/runs/{run['id']}")["stages"] if s["name"] == "tests.unit")
    cases = api(f"/runs/{run['id']}/cases?limit=50")["items"]
    told[name] = {
        "outcome": run["outcome"], "metrics": stage["verdict"]["metrics"], "reasons": stage["verdict"]["reasons"],
        "ran": sorted(c["name"] for c in cases if not c["reused"]),
        "reused": sorted(c["name"] for c in cases if c["reused"]),
    }

def change(file, old, new):
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new))

def deployed(name, *words):
    argv = [sys.executable, "-m", "prefect", "deployment", "run", "execution/default", "-p", f"project={project}"]
    done = subprocess.run([*argv, *words, "--watch"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    look(name)

deployed("first")
change("shop.py", "return 2", "return 1 + one()")
deployed("function")

from flows.execution import execution

def flow(name, **more):
    asyncio.run(execution(project=str(project), return_state=True, **more))
    look(name)

change("prices.csv", "3", "4")
flow("data")
(project / "requirements.txt").write_text("pluggy==1.6.0\\n")
flow("lock")
outside.write_text("0")
flow("whole", start_at="tests")
print(json.dumps(told))
"""

_TESTS = """\
from pathlib import Path
import shop


def test_one(): assert shop.one() == 1
def test_two(): assert shop.two() == 2
def test_price(): assert shop.price() > 0
def test_outside(): assert Path({outside!r}).stat().st_size >= 0 and int(shop.text({outside!r})) == 1
"""
_SHOP = """\
from pathlib import Path


def one(): return 1
def two(): return 2
def price(): return int(Path(__file__).with_name("prices.csv").read_text())
def text(name): return Path(name).read_text()
"""
_SPEC = "name: {name}\ntests: {{select: changed, suites: [{{name: unit, framework: pytest, workers: 1}}]}}\n"


@pytest.mark.timeout(600)  # a worker of a busy machine begins a run when it can; only what never comes is wrong
def test_a_flow_runs_what_a_change_can_affect(tes: Tes, tmp_path: Path) -> None:
    project, outside = tmp_path / "chosen", tmp_path / "outside.txt"
    project.mkdir()
    outside.write_text("1")
    (project / "tes.yaml").write_text(_SPEC.format(name=project.name))
    (project / "requirements.txt").write_text("")
    (project / "prices.csv").write_text("3")
    (project / "shop.py").write_text(_SHOP)
    (project / "test_shop.py").write_text(_TESTS.format(outside=str(outside)))
    told: dict[str, dict[str, Any]] = tes.script(_RUN, str(project), str(outside), timeout=540)
    ran = {name: [case.removeprefix("test_") for case in one["ran"]] for name, one in told.items()}
    everything = ["one", "outside", "price", "two"]
    assert ran == {
        "first": everything,
        "function": ["two"],
        "data": ["price"],
        "lock": everything,
        "whole": everything,
    }
    numbers = {name: (one["metrics"]["selected"], one["metrics"]["reused"]) for name, one in told.items()}
    assert numbers == {"first": (4, 0), "function": (1, 3), "data": (1, 3), "lock": (4, 0), "whole": (4, 0)}
    assert told["function"]["reused"] == ["test_one", "test_outside", "test_price"]
    assert [one["outcome"] for one in told.values()] == ["PASS", "PASS", "PASS", "PASS", "FAIL"]
    # What is outside of the project is not seen: a run of everything finds that, and says it.
    missed = told["whole"]["metrics"]["misses"], told["whole"]["metrics"]["compared"]
    assert missed == (1, 4)
    assert "selection would have missed 1 of 4 results: test_shop.py::test_outside" in told["whole"]["reasons"]
