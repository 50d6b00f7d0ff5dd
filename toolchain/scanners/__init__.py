"""Scanners.

`command` looks at a request, `parse` at what came of it; a report that cannot be trusted is a ReportError.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from domain.findings import ScanReport
from domain.supply import Artifact
from domain.verdict import Value
from toolchain.command import Command, Ran


class ScanRequest(Value):
    """What to look at. `root` is a clean copy of the source, `lock` the bundle's locked requirements."""

    root: Path
    out: Path
    exclude: tuple[str, ...] = ()
    lock: Path | None = None
    artifact: Artifact | None = None
    timeout: float = 600.0


class Scanner(Protocol):
    """A scanner module. TOOL is the executable's name; a missing one makes the gate INCONCLUSIVE."""

    TOOL: str

    def command(self, request: ScanRequest) -> Command: ...
    def parse(self, ran: Ran, request: ScanRequest) -> ScanReport: ...
