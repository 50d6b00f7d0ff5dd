"""What a gate says. Failing is a value, breaking is an exception, not knowing is INCONCLUSIVE."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from domain.outcome import Outcome, worst

__all__ = ["Evidence", "Outcome", "Value", "Verdict", "worst"]


class Value(BaseModel):
    """The base of every value here: immutable, strict about its fields, and JSON both ways."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Evidence(Value):
    """Something to look at: a report, a log, a page. `location` is a path or a URL, never the content."""

    name: str
    location: str


class Verdict(Value):
    """One gate's word, with the numbers it rests on.

    `reasons` are sentences with numbers ("p95 812 ms > 500 ms over 14 min"). `metrics` are the same numbers for
    machines, in base units (seconds, ratios 0..1, counts). `reused` tells that an earlier look at the same inputs
    is being quoted.
    """

    gate: str
    outcome: Outcome
    reasons: tuple[str, ...] = ()
    metrics: dict[str, float] = Field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    reused: bool = False

    @property
    def passed(self) -> bool:
        return self.outcome is Outcome.PASS
