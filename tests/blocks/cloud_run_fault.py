"""A bad moment that the stand-in for Cloud Run is told to have."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Fault:
    """For the next `times` requests whose `METHOD path` has `matching` in it. `status` 0: see `how`."""

    matching: str
    status: int = 0
    how: str = ""
    """hang: no answer; close: half of it, and the connection ends; stale: the service as it was before; stale after
    change: that, as soon as somebody has changed it."""
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "told to fail"
