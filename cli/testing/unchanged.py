"""A suite of which nothing has to run: its results are quoted. No engine, no pydantic: the answer comes at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cli.testing.run import Tested
from domain.outcome import Outcome
from tasks.suite_run import COUNTS

if TYPE_CHECKING:
    from tasks.impact import Selection


def quoted(suite: Mapping[str, Any], planned: Selection) -> Tested:
    """What the quoted results come to. The same as `judge` would say of them, which a test holds it to."""
    found = planned.counts()
    numbers = {name: found.get(name, 0) for name in COUNTS} | {"reused": len(planned.reused)}
    told = ", ".join(f"{count} {name}" for name, count in numbers.items() if count and name != "reused") or "no case"
    reasons = [f"{told}, all of them reused: nothing that they depend on has changed"]
    if numbers["failed"] or numbers["error"] or numbers["crashed"]:
        outcome = Outcome.FAIL
    elif numbers["passed"] or numbers["xfailed"]:
        outcome = Outcome.PASS
    else:
        outcome = Outcome.INCONCLUSIVE
        reasons.append("no case passed, so nothing was proved")
    verdict = {"gate": f"tests.{suite['name']}", "outcome": str(outcome), "reasons": reasons, "reused": True}
    return Tested(suite, outcome, reasons, numbers, verdict, planned=planned)
