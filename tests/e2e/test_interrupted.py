"""Ctrl-C and SIGTERM in each stage: it stops soon, leaves nothing behind and says where the environment stands."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e import chain
from tests.e2e.driver import Tes
from tests.e2e.tiny import change, tiny

pytestmark = [pytest.mark.requires("k6"), pytest.mark.requires("bandit")]
_numbers = itertools.count(1)
SOON = 30.0  # seconds, on a machine that is busy with other tests; the tools themselves get 3 s


@pytest.mark.parametrize(
    ("number", "stages"),
    [(signal.SIGINT, tuple(chain.BEGUN)), (signal.SIGTERM, ("tests", "load", "shift", "verify"))],
    ids=["ctrl-c", "sigterm"],
)
def test_a_release_that_is_interrupted(
    tes: Tes, tmp_path: Path, number: signal.Signals, stages: tuple[str, ...]
) -> None:
    name = f"stopped-{next(_numbers)}"
    project = tiny(tmp_path / name, name)
    first = tes.run("release", str(project), "-e", "staging", "--json")
    assert first.code == 0, first.err + first.out
    old = first.report["version"]
    change(project, "two")
    client = chain.Client(first.report["address"], {"one", "two"})
    client.start()
    for stage in stages:
        known = set((tes.home / "runs").iterdir())
        running = subprocess.Popen(
            tes.argv("release", str(project), "-e", "staging", "--json"),
            env=tes.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

        def there() -> Path | None:
            assert running.poll() is None, f"it ended before {stage}: {running.communicate()}"
            new = set((tes.home / "runs").iterdir()) - known
            return next((folder for folder in new if chain.begun(folder, stage)), None)

        folder = chain.until(there, stage)
        began = time.monotonic()
        running.send_signal(number)
        out, told = running.communicate(timeout=120)
        took = time.monotonic() - began
        assert running.returncode == 130, (stage, told, out)
        assert out == "" and "Traceback" not in told and took < SOON, (stage, took, told)
        last = told.strip().splitlines()[-1]
        assert f"{name} in staging: {old} is stable; traffic: {old} 100 %" in last, (stage, told)
        assert last.startswith("tes: interrupted; ")
        state = chain.seen(tes, name)
        assert state.stable == old and [r.weight for r in state.releases if r.weight] == [100]
        assert state.lease is None and chain.previews(tes, name) == []
        chain.until(lambda: not chain.tools_left(tes), f"tools that ended with {folder}", 10)
    client.over.set()
    client.join()
    assert client.asked and not client.wrong

    last_run = tes.run("release", str(project), "-e", "staging", "--json")
    assert last_run.code == 0, last_run.err + last_run.out
    assert {"build", "scan.bandit", "tests.unit", "load"} <= last_run.reused()
    assert chain.seen(tes, name).stable == last_run.report["version"] != old
    told_runs = json.loads(tes.run("runs", "--name", name, "--limit", "50", "--json").out)
    assert {row["state"] for row in told_runs} == {"finished", "interrupted"}
