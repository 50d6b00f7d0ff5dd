"""Who may use the processors first while a runtime starts."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from cli.runtime.children import Child
from cli.runtime.process import ProcessId
from cli.runtime.state import ChildState, State
from cli.runtime.supervisor import Supervisor

HEAD_START_S = 0.5


def supervisor(home: Path) -> Supervisor:
    """With a server and a worker that only stay; nothing is started yet, and the server is said to answer."""
    (home / "stays.py").write_text("import time; time.sleep(60)")
    told = {name: ChildState() for name in ("server", "worker")}
    state = State("mark", home, ProcessId(1, "none"), 1, 2, "", children=told)
    programs = tuple(
        Child(name, "stays", settings={"PYTHONPATH": os.pathsep.join([str(home), os.getcwd()])}) for name in told
    )
    made = Supervisor(state, programs, HEAD_START_S)
    made.server.output.close()  # it is never started
    made.answering.set()
    return made


async def test_the_command_that_started_it_has_a_head_start_before_the_others(tmp_path: Path) -> None:
    watched, began = supervisor(tmp_path), time.monotonic()
    worker = watched.others[0]
    keeping = asyncio.create_task(watched._afterwards(worker))
    while worker.told.process is None:
        assert time.monotonic() - began < 30
        await asyncio.sleep(0.01)
    assert time.monotonic() - began >= HEAD_START_S
    worker.stop.set()
    await keeping
    assert worker.told.status == "stopped"


async def test_one_that_is_stopped_meanwhile_is_never_started(tmp_path: Path) -> None:
    watched = supervisor(tmp_path)
    worker = watched.others[0]
    keeping = asyncio.create_task(watched._afterwards(worker))
    await asyncio.sleep(0)
    worker.stop.set()
    await asyncio.wait_for(keeping, 10)
    assert worker.told.process is None and worker.told.last_exit is None
