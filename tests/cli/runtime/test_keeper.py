"""A child is kept running, and ended when it is time, whatever it does."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cli.runtime import keeper
from cli.runtime.children import Child
from cli.runtime.keeper import Keeper
from cli.runtime.process import ProcessId
from cli.runtime.state import ChildState, State

MODULES = {
    "ends": "import sys; print('once more', flush=True); sys.exit(3)",
    "stays": "import time; print('here', flush=True); time.sleep(60)",
    "deaf": "import signal, time; signal.signal(15, signal.SIG_IGN); print('here', flush=True); time.sleep(60)",
    "leaves": "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3)'])",
}


def kept(home: Path, module: str, grace: float = 5.0) -> Keeper:
    """A keeper of one of the modules."""
    (home / f"{module}.py").write_text(MODULES[module])
    state = State("mark", home, ProcessId(1, "none"), 1, 2, "", children={"a": ChildState()})
    child = Child(
        "a", module, settings={"PYTHONPATH": os.pathsep.join([str(home), *filter(None, sys.path)])}, grace=grace
    )
    return Keeper(child, state, os.pipe()[0], lambda: None)


async def said(home: Path, words: str, times: int = 1) -> None:
    log = home / "logs" / "a.log"
    deadline = time.monotonic() + 30
    while not (log.exists() and log.read_text().count(words) >= times):
        assert time.monotonic() < deadline, log.read_text() if log.exists() else "no log"
        await asyncio.sleep(0.02)


async def test_a_child_that_ends_is_started_again_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "FIRST_PAUSE_S", 0.01)
    one = kept(tmp_path, "ends")
    told: list[tuple[str, int, int | None]] = []
    one.save = lambda: told.append((one.told.status, one.told.restarts, one.told.last_exit))
    task = asyncio.create_task(one.keep())
    await said(tmp_path, "once more", 3)
    one.stop.set()
    await task
    assert told[:4] == [("running", 0, None), ("restarting", 1, 3), ("running", 1, 3), ("restarting", 2, 3)]
    assert one.told.status == "stopped" and one.told.process is None


async def test_the_pause_grows_while_it_does_not_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "LONGEST_PAUSE_S", 0.02)
    monkeypatch.setattr(keeper, "FIRST_PAUSE_S", 0.001)
    pauses: list[float] = []
    monkeypatch.setattr(keeper.logger, "warning", lambda text, *values: pauses.append(values[-1]))
    one = kept(tmp_path, "ends")
    task = asyncio.create_task(one.keep())
    await said(tmp_path, "once more", 7)
    one.stop.set()
    await task
    assert pauses[:6] == [0.002, 0.004, 0.008, 0.016, 0.02, 0.02]


@pytest.mark.parametrize(("module", "ending"), [("stays", -signal.SIGTERM), ("deaf", -signal.SIGKILL)])
async def test_stopping_asks_and_then_kills(tmp_path: Path, module: str, ending: int) -> None:
    one = kept(tmp_path, module, grace=0.3 if module == "deaf" else 20)
    task = asyncio.create_task(one.keep())
    await said(tmp_path, "here")
    process = one.told.process
    assert process is not None and process.alive and one.told.status == "running"
    one.stop.set()
    await task
    assert not process.alive and one.told.last_exit == ending


async def test_a_child_that_cannot_be_started_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "FIRST_PAUSE_S", 0.01)
    one = kept(tmp_path, "stays")
    one.state = replace(one.state, home=tmp_path / "gone")
    task = asyncio.create_task(one.keep())
    while one.told.restarts < 2:
        await asyncio.sleep(0.01)
    (tmp_path / "gone").mkdir()
    await said(tmp_path, "here")
    one.stop.set()
    await task
    assert one.told.last_exit == -signal.SIGTERM


async def test_a_grandchild_that_holds_the_output_delays_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "FIRST_PAUSE_S", 60)
    one = kept(tmp_path, "leaves")
    task = asyncio.create_task(one.keep())
    deadline = time.monotonic() + 20
    while one.told.restarts < 1:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    one.stop.set()
    await task
    assert one.told.last_exit == 0
