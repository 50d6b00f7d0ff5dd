"""The lock keeps two out, and never outlives its holder."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.runtime.lock import held, take
from domain.errors import LockHeld, SpecError

HOLD = """
import pathlib, sys, time
from cli.runtime.lock import take
take(pathlib.Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_a_lock_is_taken_once(tmp_path: Path) -> None:
    descriptor = take(tmp_path / "a.lock")
    assert descriptor is not None
    assert take(tmp_path / "a.lock") is None
    os.close(descriptor)
    again = take(tmp_path / "a.lock")
    assert again is not None
    os.close(again)


async def test_the_second_waits_for_the_first(tmp_path: Path) -> None:
    told: list[str] = []

    async def hold(name: str, seconds: float) -> None:
        async with held(tmp_path / "a.lock", 5):
            told.append(f"{name} in")
            await asyncio.sleep(seconds)
            told.append(f"{name} out")

    await asyncio.gather(hold("a", 0.15), hold("b", 0))
    assert told in (["a in", "a out", "b in", "b out"], ["b in", "b out", "a in", "a out"])


async def test_waiting_has_an_end_and_says_for_what(tmp_path: Path) -> None:
    descriptor = take(tmp_path / "a.lock")
    assert descriptor is not None
    with pytest.raises(LockHeld, match="a.lock"):
        async with held(tmp_path / "a.lock", 0.1):
            raise AssertionError("entered a lock that was held")
    os.close(descriptor)


def test_kill_9_of_the_holder_frees_it(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "a.lock")], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    assert take(tmp_path / "a.lock") is None
    holder.kill()
    holder.communicate()
    deadline = time.monotonic() + 2
    while (descriptor := take(tmp_path / "a.lock")) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert descriptor is not None
    os.close(descriptor)


def test_a_home_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(SpecError, match="TES_HOME=.*home"):
        take(tmp_path / "home" / "a.lock")
