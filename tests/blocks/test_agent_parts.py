"""The agent's pure parts: shares, counts, logs, durable files, and what the agent may import."""

from __future__ import annotations

import asyncio
import math
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.platforms import known, platform_named
from blocks.platforms.local_agent import client_connection, logs, state
from blocks.platforms.local_agent.balance import Balance
from blocks.platforms.local_agent.client_connection import HEAD_TIMEOUT, IDLE_TIMEOUT, ClientConnection
from blocks.platforms.local_agent.counts import Counts
from blocks.platforms.protocol import HostsServices
from domain.errors import Rejected, SpecError


@given(st.integers(0, 100), st.integers(1, 500))
def test_every_window_of_requests_is_shared_by_weight(weight: int, number: int) -> None:
    balance = Balance()
    balance.set({"stable": 100 - weight, "candidate": weight})
    chosen = Counter(balance.choose() for _ in range(number))
    assert abs(chosen["candidate"] - number * weight / 100) < 1.0


def test_nobody_is_chosen_when_nobody_has_a_share() -> None:
    balance = Balance()
    balance.set({"v1": 0})
    assert balance.choose() is None


@given(st.lists(st.floats(1e-5, 30.0), min_size=1, max_size=300))
def test_percentiles_are_off_by_two_percent_at_most(latencies: list[float]) -> None:
    counts = Counts(0.0)
    for latency in latencies:
        counts.add(100.0, latency, error=False)
    seen, ranked = counts.since("v1", 0.0, 101.0), sorted(latencies)
    for share, value in ((0.5, seen.p50), (0.95, seen.p95), (0.99, seen.p99)):
        true = ranked[math.ceil(len(ranked) * share) - 1]
        assert abs(value - true) / true < 0.021


@given(st.lists(st.tuples(st.floats(0, 20_000), st.booleans()), max_size=300))
def test_counts_lose_nothing_within_two_hours_and_stay_small(requests: list[tuple[float, bool]]) -> None:
    counts = Counts(0.0)
    moments = sorted(requests)
    for moment, error in moments:
        counts.add(moment, 0.01, error)
    now = moments[-1][0] if moments else 0.0
    seen = counts.since("v1", now - 7000, now)
    within = [error for moment, error in moments if moment >= now - 7000]
    border = [error for moment, error in moments if abs(moment - (now - 7000)) <= 5]
    assert abs(seen.requests - len(within)) <= len(border)
    assert len(counts._fine) <= 602 and len(counts._coarse) <= 1442


def test_nothing_from_before_the_moment_is_counted() -> None:
    counts = Counts(0.0)
    for moment in (9.9, 10.0, 10.1, 10.4):
        counts.add(moment, 0.01, error=moment < 10)
    seen = counts.since("v1", 10.0, 12.0)
    assert (seen.requests, seen.errors, seen.seconds) == (3, 0, 2.0)


def test_a_log_is_rotated_and_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "v1-1.log"
    with open(log, "ab", buffering=0) as writer:
        writer.write(b"a" * 100)
        assert not logs.rotate(log, 100, 2)
        writer.write(b"b")
        assert logs.rotate(log, 100, 2)
        writer.write(b"after")
    assert log.read_bytes() == b"after" and (tmp_path / "v1-1.log.1").read_bytes() == b"a" * 100 + b"b"
    assert not logs.rotate(tmp_path / "none.log", 1, 2)


def test_the_oldest_log_is_the_one_that_goes(tmp_path: Path) -> None:
    log = tmp_path / "v1-1.log"
    for number in range(5):
        log.write_text(f"day {number}")
        assert logs.rotate(log, 1, 3)
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {"v1-1.log": "", "v1-1.log.1": "day 4", "v1-1.log.2": "day 3", "v1-1.log.3": "day 2"}


def test_the_end_of_a_log_is_bounded_and_without_secrets(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("\n".join(f"line {number} hunter2!" for number in range(10_000)))
    text = logs.tail(log, ["hunter2!"])
    assert text.splitlines()[-1] == "line 9999 ***" and len(text) <= 1200 and "hunter2!" not in text
    assert logs.tail(tmp_path / "none.log") == ""


def test_a_file_that_cannot_be_written_keeps_its_old_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    state.write_durably(path, "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        state.write_durably(path, "new")
    assert path.read_text() == "old" and [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_different_names_are_different_files(first: str, second: str) -> None:
    try:
        names = state.safe_name(first), state.safe_name(second)
    except (Rejected, UnicodeEncodeError):
        return
    assert (names[0] == names[1]) == (first == second)
    assert all(Path(name).name == name for name in names)


def test_the_agent_imports_neither_prefect_nor_anything_heavy() -> None:
    code = "import sys, blocks.platforms.local_agent.__main__; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"prefect", "sqlalchemy", "fastapi", "httpx", "yaml", "toolchain", "tasks"} & set(modules)


async def test_a_platform_is_found_by_its_files_name() -> None:
    """And every one keeps the contract, in a test module of its name or of what its name begins with."""
    here = Path(__file__).parent
    held = [
        module.stem[5:]
        for module in here.glob("test_*.py")
        if re.search(r"\((Platform|Image)Contract\):", module.read_text())
    ]
    assert {"local", "memory"} <= set(known())
    for name in known():
        assert isinstance(await platform_named(name), HostsServices), name
        assert any(name.startswith(module) for module in held), name


@pytest.mark.parametrize("reference", ["locl", "no-such", "protocol", "lokal-platform/my-block", "__init__"])
async def test_an_unknown_platform_lists_the_known_ones(reference: str) -> None:
    with pytest.raises(SpecError, match="known are .*local.*memory") as raised:
        await platform_named(reference)
    assert ("did you mean local?" in raised.value.fix) == (reference[0] == "l")


class Wire(asyncio.Transport):
    """A connection of which we see what the front writes, and whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closed = b"", False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


class Answered:
    """A request that was answered at once."""

    sent = keep_alive = True
    waiting = tunnel = False

    def __init__(self, client: ClientConnection, head: object) -> None:
        self.client = client

    def begin(self) -> None:
        self.client.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    def body_ended(self) -> None:
        self.client.done(self)  # type: ignore[arg-type]


def _asked(monkeypatch: pytest.MonkeyPatch, *parts: bytes) -> tuple[ClientConnection, Wire]:
    monkeypatch.setattr(client_connection, "Exchange", Answered)
    wire, connection = Wire(), ClientConnection(SimpleNamespace(connections=set()))  # type: ignore[arg-type]
    connection.connection_made(wire)
    for part in parts:
        connection.data_received(part)
    wire.written = b""
    return connection, wire


GET = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"


@pytest.mark.parametrize("requests", [(), (GET,), (GET, GET), (GET + GET,), (GET[:9], GET[9:])])
def test_a_connection_that_is_kept_for_later_is_closed_without_a_word(
    monkeypatch: pytest.MonkeyPatch, requests: tuple[bytes, ...]
) -> None:
    """A client that asks again at that moment would take the word for its answer."""
    connection, wire = _asked(monkeypatch, *requests)
    for seconds in range(1, int(IDLE_TIMEOUT)):
        connection.sweep(time.monotonic() + seconds)
    assert (wire.written, wire.closed) == (b"", False)
    connection.sweep(time.monotonic() + IDLE_TIMEOUT + 1)
    assert (wire.written, wire.closed) == (b"", True)


@pytest.mark.parametrize("parts", [(GET[:9],), (GET, GET[:9]), (GET + GET[:9],)])
def test_a_head_that_does_not_come_to_its_end_is_told_so(
    monkeypatch: pytest.MonkeyPatch, parts: tuple[bytes, ...]
) -> None:
    connection, wire = _asked(monkeypatch, *parts)
    connection.sweep(time.monotonic() + HEAD_TIMEOUT - 5)
    assert not wire.closed
    connection.sweep(time.monotonic() + HEAD_TIMEOUT + 1)
    assert wire.written.startswith(b"HTTP/1.1 408 ") and wire.closed
