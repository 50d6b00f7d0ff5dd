"""What earlier runs of the same tests came to, as a report shows them. Oldest first."""

from __future__ import annotations

from domain.verdict import Outcome, Value


class TrendPoint(Value):
    """One earlier run. `at` is when it began, in seconds since the epoch; `seconds` how long it took; `run` its id."""

    at: float
    outcome: Outcome
    cases: int
    passed: int
    flaky: int = 0
    seconds: float = 0.0
    run: str = ""

    @property
    def pass_rate(self) -> float:
        """0..1; of a run without cases 0, since it proved nothing."""
        return self.passed / self.cases if self.cases else 0.0
