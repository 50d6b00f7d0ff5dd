"""Which gates may stop a release. INCONCLUSIVE never ships unless the policy names that gate as advisory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from pydantic import Field

from domain.verdict import Outcome, Value, Verdict, worst


class Mode(StrEnum):
    """What a gate's word weighs.

    `blocking`: anything but PASS stops the release. `advisory`: never stops it, always shown.
    `advisory_when_blind`: FAIL stops the release, INCONCLUSIVE (it could not look) is shown and does not.
    """

    BLOCKING = "blocking"
    ADVISORY = "advisory"
    ADVISORY_WHEN_BLIND = "advisory_when_blind"


# Usable on a closed network without lying: what works offline blocks; what needs a database that may be out of
# reach blocks when it finds something, and says INCONCLUSIVE, visibly, when it could not look.
SHIPPED: Mapping[str, Mode] = {
    "pip_audit": Mode.ADVISORY_WHEN_BLIND,
    "trivy": Mode.ADVISORY_WHEN_BLIND,
}


class Policy(Value):
    """Gate name → mode. A gate that is not named is blocking."""

    gates: dict[str, Mode] = Field(default_factory=dict)

    def mode(self, gate: str) -> Mode:
        """The gate's own word, else its stage's (`tests` for `tests.unit`), else the shipped one, else blocking."""
        stage = gate.partition(".")[0]
        return self.gates.get(gate) or self.gates.get(stage) or SHIPPED.get(gate, Mode.BLOCKING)


class Decision(Value):
    """Whether to go on, and what was said on the way. `outcome` is what the exit code tells."""

    outcome: Outcome
    reasons: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def ships(self) -> bool:
        return self.outcome is Outcome.PASS


def effective(mode: Mode, outcome: Outcome) -> Outcome:
    """What an outcome counts for under a mode."""
    if mode is Mode.ADVISORY or (mode is Mode.ADVISORY_WHEN_BLIND and outcome is Outcome.INCONCLUSIVE):
        return Outcome.PASS
    return outcome


def decide(policy: Policy, verdicts: Sequence[Verdict], required: Sequence[str] = ()) -> Decision:
    """Weigh the verdicts.

    Returns PASS only when there is at least one verdict, every blocking one is PASS, and every gate in `required`
    spoke: a gate that is silent is a gate that could not look.
    """
    silent = [gate for gate in required if gate not in {v.gate for v in verdicts}]
    heard = [*verdicts, *(Verdict(gate=g, outcome=Outcome.INCONCLUSIVE, reasons=("gave no verdict",)) for g in silent)]
    reasons: list[str] = []
    advice: list[str] = []
    for verdict in heard:
        if verdict.passed:
            continue
        line = f"{verdict.gate} {verdict.outcome}: {'; '.join(verdict.reasons) or 'no reason given'}"
        counts = effective(policy.mode(verdict.gate), verdict.outcome)
        (advice if counts is Outcome.PASS else reasons).append(line)
    outcome = worst(effective(policy.mode(v.gate), v.outcome) for v in heard)
    return Decision(outcome=outcome, reasons=tuple(reasons), advice=tuple(advice))
