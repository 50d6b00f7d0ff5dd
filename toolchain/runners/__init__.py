"""Test frameworks, one module each; `pytest` is run by our own engine."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from domain.cases import SuiteReport
from domain.spec import Suite
from domain.verdict import Value
from toolchain.command import Command, Ran


class RunRequest(Value):
    """One shard of one suite. `selection` are case ids or paths to run; empty for all of the suite's paths.

    `shard` is (index from 1, total) for a runner that says `DIVIDES = True`: it divides the suite by itself.
    `leave` are files and node ids among them that another shard runs: only for a runner that says `LEAVES = True`.
    """

    suite: Suite
    root: Path
    out: Path
    interpreter: Path | None = None
    selection: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()
    timeout: float = 1800.0
    shard: tuple[int, int] | None = None
    workers: int | None = None
    durations: Path | None = None
    repeat: Path | None = None
    coverage: Path | None = None
    impact: bool = False
    cache: Path | None = None


class Runner(Protocol):
    """A runner module. `parse` returns what was read even of a broken report, with `complete` or `problems` telling."""

    TOOL: str

    def command(self, request: RunRequest) -> Command: ...
    def parse(self, ran: Ran, request: RunRequest) -> SuiteReport: ...
