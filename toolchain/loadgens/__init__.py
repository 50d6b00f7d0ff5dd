"""Load generators."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pydantic import Field

from domain.load import LoadSummary
from domain.spec import Scenario
from domain.verdict import Value
from toolchain.command import Command, Ran


class LoadRequest(Value):
    """What to send where. A script (k6's) or a declared scenario; `base_url` has no trailing slash."""

    base_url: str
    out: Path
    script: Path | None = None
    scenario: Scenario | None = None
    environment: dict[str, str] = Field(default_factory=dict)
    timeout: float = 900.0


class LoadGenerator(Protocol):
    """A load generator module. RUNS_SCRIPTS tells whether it can run a k6 script."""

    TOOL: str
    RUNS_SCRIPTS: bool

    def command(self, request: LoadRequest) -> Command: ...
    def parse(self, ran: Ran, request: LoadRequest) -> LoadSummary: ...
