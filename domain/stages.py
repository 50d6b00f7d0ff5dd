"""The pipeline's stages, in a module of their own that imports nothing: the command's words are made of them."""

from __future__ import annotations

# The order of the pipeline; `tes release --from STAGE` names one of these.
STAGES = ("build", "scan", "tests", "load", "deploy", "verify")

# Gates that are part of another one's stage.
_WITHIN = {"coverage": "tests", "push": "build"}


def stage_of(name: str) -> str:
    """The pipeline's stage that a stage belongs to: `scan.bandit` → `scan`, `coverage.unit` → `tests`."""
    head = name.partition(".")[0]
    return _WITHIN.get(head, head)
