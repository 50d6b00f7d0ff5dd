"""Scanners.

`command` looks at a request, `parse` at what came of it; a report that cannot be trusted is a ReportError.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pydantic import Field

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
    options: dict[str, str] = Field(
        default_factory=dict, description="of one scanner: osv_url (pip_audit), cache_dir, db_repository (trivy)"
    )


class Scanner(Protocol):
    """A scanner module. TOOL is the executable's name; a missing one makes the gate INCONCLUSIVE.

    A module may also have `fallback(ran, request) -> Command | None`: the lesser look to take when the first one could
    not be had, such as Trivy's without its vulnerability database. `parse` tells by `ran.argv` which one it was.
    """

    TOOL: str

    def command(self, request: ScanRequest) -> Command: ...
    def parse(self, ran: Ran, request: ScanRequest) -> ScanReport: ...
