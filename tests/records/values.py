"""Domain values for the tests of the records."""

from __future__ import annotations

from domain.cases import Attempt, CaseId, Status
from domain.place import Release, Target
from domain.rollout import Action, Rollout, Verb
from domain.rollout import Status as RolloutStatus
from domain.supply import Artifact
from domain.verdict import Outcome, Verdict


def verdict(gate: str = "build", outcome: Outcome = Outcome.PASS, *reasons: str) -> Verdict:
    return Verdict(gate=gate, outcome=outcome, reasons=reasons or ("3 files in 0.2 s",), metrics={"files": 3.0})


def attempt(name: str, status: Status = Status.PASSED, *, number: int = 1, seconds: float = 0.25) -> Attempt:
    case = CaseId(suite="unit", file="tests/test_cart.py", classname="TestCart", name=name)
    return Attempt(case=case, status=status, number=number, seconds=seconds)


def release(version: str = "v1", digest: str = "sha256:aa") -> Release:
    artifact = Artifact(kind="bundle", digest=digest, location="somewhere", created=1.0)
    return Release(service="checkout", version=version, artifact=artifact, secrets={"KEY": "env:CHECKOUT_KEY"})


def rollout(**changes: object) -> Rollout:
    begun = Rollout(
        id="ro-1",
        target=Target(service="checkout", environment="production"),
        release=release("v2"),
        stable="v1",
        strategy="blue_green",
        plan=(Action(verb=Verb.PROVISION), Action(verb=Verb.PROMOTE), Action(verb=Verb.VERIFY, seconds=5)),
        status=RolloutStatus.PROGRESSING,
        token=7,
        started=1_700_000_000.0,
    )
    return begun.model_copy(update=changes)
