"""The three things a gate can say. Without pydantic: the command needs them before it has time to load that."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from domain.errors import EXIT_FAIL, EXIT_INCONCLUSIVE, EXIT_PASS


class Outcome(StrEnum):
    """The three things a gate can say."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"

    @property
    def exit_code(self) -> int:
        """0 PASS, 1 FAIL, 2 INCONCLUSIVE."""
        return {Outcome.PASS: EXIT_PASS, Outcome.FAIL: EXIT_FAIL, Outcome.INCONCLUSIVE: EXIT_INCONCLUSIVE}[self]


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome of several together: FAIL beats INCONCLUSIVE beats PASS. Of nothing at all: INCONCLUSIVE."""
    order = (Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL)
    return max(outcomes, key=order.index, default=Outcome.INCONCLUSIVE)
