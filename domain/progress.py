"""What a running flow tells whoever is watching. A value; who listens is decided by the entrance."""

from __future__ import annotations

from enum import StrEnum

from domain.verdict import Outcome, Value


class Phase(StrEnum):
    STARTED = "started"
    WORKING = "working"
    FINISHED = "finished"


class Progress(Value):
    """A stage began, is at work, or ended. `done`/`total` are counts of the stage's own unit (cases, files, steps)."""

    stage: str
    phase: Phase
    text: str = ""
    done: int = 0
    total: int = 0
    outcome: Outcome | None = None
    reused: bool = False
    seconds: float = 0.0
    service: str = ""

    @property
    def name(self) -> str:
        """The stage, with its service where several are at work side by side."""
        return f"{self.service} {self.stage}".strip()
