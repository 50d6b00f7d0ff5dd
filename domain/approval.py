"""Whether a person must say yes before a release moves, whose yes counts, and what an answer comes to."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from domain.spec import EnvironmentSpec
from domain.verdict import Outcome, Value, Verdict

GATE = "approval"
# Asks where its tes.yaml says nothing about it.
ASKS_BY_DEFAULT = "production"


class Answer(Value):
    """What a person said. `by` is who they say they are; `way` is where it was said: a terminal, --yes, Prefect."""

    approve: bool
    by: str = ""
    reason: str = ""
    way: str = ""
    at: float = Field(0.0, description="seconds since the epoch")


def asks(environment: str, place: EnvironmentSpec) -> bool:
    """Whether this environment wants a yes: its own word, else yes for one that is called production."""
    return environment == ASKS_BY_DEFAULT if place.approval is None else place.approval


def may_say_yes(who: str, deployers: Sequence[str]) -> bool:
    """Whether that person's yes counts. Nobody is listed: everybody's does."""
    return not deployers or who in deployers


def judge(answer: Answer | None, within: float, deployers: Sequence[str]) -> Verdict:
    """PASS for a yes that counts. A no is everybody's to say. `within` is how long was waited, in seconds; an answer
    that did not come, or from nobody who may give it, is INCONCLUSIVE: nobody has decided."""
    if answer is None:
        return _said(Outcome.INCONCLUSIVE, f"nobody approved within {within:g} s")
    who = answer.by or "somebody without a name"
    why = f": {answer.reason}" if answer.reason else ""
    if not answer.approve:
        return _said(Outcome.FAIL, f"{who} said no ({answer.way}){why}")
    if not may_say_yes(answer.by, deployers):
        listed = ", ".join(deployers)
        return _said(Outcome.INCONCLUSIVE, f"{who} said yes ({answer.way}) and may not: TES_DEPLOYERS lists {listed}")
    return _said(Outcome.PASS, f"{who} said yes ({answer.way}){why}")


def _said(outcome: Outcome, reason: str) -> Verdict:
    return Verdict(gate=GATE, outcome=outcome, reasons=(reason,))
