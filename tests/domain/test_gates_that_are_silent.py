"""A gate that should have spoken and did not could not look; a run that it belongs to is no PASS."""

from __future__ import annotations

from domain.policy import Policy
from domain.report import Stage, weigh
from domain.verdict import Outcome, Verdict

BUILT = Stage(name="build", verdict=Verdict(gate="build", outcome=Outcome.PASS))


def test_a_required_gate_that_gave_no_verdict_is_inconclusive_and_named() -> None:
    decision = weigh([BUILT], Policy(), ["build", "tests.unit"])
    assert (decision.outcome, decision.ships) == (Outcome.INCONCLUSIVE, False)
    assert decision.reasons == ("tests.unit INCONCLUSIVE: gave no verdict",)


def test_nothing_heard_at_all_is_no_pass() -> None:
    assert weigh([], Policy()).outcome is Outcome.INCONCLUSIVE


def test_when_every_required_gate_passed_it_ships() -> None:
    assert weigh([BUILT], Policy(), ["build"]).ships
