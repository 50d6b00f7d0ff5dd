"""A process is its pid and its start: nobody else's is ever taken for ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

from cli.runtime.process import MARK, identify, marked, send

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_a_process_is_itself_as_long_as_it_lives() -> None:
    child = subprocess.Popen(SLEEP)
    first = identify(child.pid)
    assert first is not None and first == identify(child.pid) and first.alive
    child.kill()
    child.wait()
    assert not first.alive and identify(child.pid) is None


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert identify(child.pid) is None
    child.wait()


def test_a_pid_that_was_reused_is_a_stranger_and_gets_no_signal() -> None:
    child = subprocess.Popen(SLEEP)
    try:
        itself = identify(child.pid)
        assert itself is not None
        earlier = replace(itself, started="another start")
        assert not earlier.alive
        assert send(earlier, signal.SIGKILL) is False
        time.sleep(0.05)
        assert child.poll() is None
        assert send(itself, signal.SIGKILL) is True
        assert child.wait() == -signal.SIGKILL
    finally:
        child.kill()
        child.wait()


def test_only_processes_of_the_session_that_carry_the_mark_are_ours() -> None:
    with_mark = {**os.environ, MARK: "ours"}
    ours = subprocess.Popen(SLEEP, env=with_mark)
    unmarked = subprocess.Popen(SLEEP)
    deployed = subprocess.Popen(SLEEP, env=with_mark, start_new_session=True)
    try:
        time.sleep(0.1)
        assert [process.pid for process in marked("ours", os.getsid(0))] == [ours.pid]
        assert marked("theirs", os.getsid(0)) == []
    finally:
        for child in (ours, unmarked, deployed):
            child.kill()
            child.wait()
