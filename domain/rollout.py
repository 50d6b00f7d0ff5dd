"""The rollout machine: a plan is a tuple of actions, a rollout a cursor over it. Pure; persisted after every step.

    PROGRESSING ──last action done──▶ PROMOTED
        │ a bad verdict or a failed action before promotion
        ▼
    ABORTING ──all traffic on stable, candidate gone──▶ ABORTED
        │
        └── promotion itself broke ──▶ HALTED   (the candidate may be the only healthy copy: nothing is taken away)

A bad verdict after promotion also aborts: the old release is still warm, and going back is a traffic switch. Unless the
release brought a migration that cannot be undone: the old one does not know what the data has become, and it halts.
Method: the canary machine of Argo Rollouts (https://argo-rollouts.readthedocs.io/en/stable/features/canary/) with
the cursor made explicit.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from pydantic import Field

from domain.errors import SpecError
from domain.group import Group
from domain.place import Capability, Release, Target
from domain.spec import EnvironmentSpec
from domain.verdict import Outcome, Value, Verdict

# What a rollout says instead of an environment's strategy when it brings back what was there.
ROLLBACK, CONVERGE = "rollback", "converge"
RETURNS = (ROLLBACK, CONVERGE)


class Verb(StrEnum):
    """What can be done to a target. Each sets a desired state, so that saying it twice changes nothing."""

    MIGRATE = "migrate"
    PROVISION = "provision"
    WAIT_READY = "wait_ready"
    SHIFT = "shift"
    VERIFY = "verify"
    PROMOTE = "promote"
    ABORT = "abort"
    RETIRE = "retire"


class Action(Value):
    """One step: a verb with what it needs. `seconds` is the bake of a VERIFY."""

    verb: Verb
    weight: int | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        if self.verb is Verb.SHIFT:
            return f"shift {self.weight} %"
        return f"{self.verb} {self.seconds:g} s" if self.seconds else str(self.verb)


class Status(StrEnum):
    PROGRESSING = "progressing"
    ABORTING = "aborting"
    PROMOTED = "promoted"
    ABORTED = "aborted"
    HALTED = "halted"

    @property
    def over(self) -> bool:
        return self in (Status.PROMOTED, Status.ABORTED, Status.HALTED)


class Rollout(Value):
    """One change of one target. `stable` is the version to go back to; None for a first release."""

    id: str
    target: Target
    release: Release
    stable: str | None
    strategy: str
    plan: tuple[Action, ...]
    cursor: int = 0
    status: Status = Status.PROGRESSING
    promoted: bool = Field(False, description="PROMOTE was done: an abort from here is a switch back")
    frozen: str = Field("", description="the migration without a way back that this release brings to `stable`")
    reason: str = ""
    token: int = 0
    started: float = 0.0
    group: Group | None = Field(None, description="the services it is one release with; None when it is alone")

    @property
    def returns(self) -> bool:
        """Whether its release has served clients before: it is gone back to, or put back."""
        return self.strategy in RETURNS

    @property
    def action(self) -> Action | None:
        """What is to be done next; None when it is over, or waits for the rest of its group at the end of its plan."""
        if self.status is Status.ABORTING:
            return Action(verb=Verb.ABORT)
        waits = self.status is not Status.PROGRESSING or self.cursor == len(self.plan)
        return None if waits else self.plan[self.cursor]


def plan(environment: EnvironmentSpec, *, first: bool, migrates: bool) -> tuple[Action, ...]:
    """The actions of a strategy. A first release has nothing to share traffic with, so it is promoted once ready."""
    begin = [Action(verb=Verb.MIGRATE)] if migrates else []
    begin += [Action(verb=Verb.PROVISION), Action(verb=Verb.WAIT_READY)]
    end = [Action(verb=Verb.PROMOTE), Action(verb=Verb.VERIFY, seconds=environment.verify.bake)]
    middle: list[Action] = []
    if environment.strategy == "canary" and not first:
        if not environment.steps:
            raise SpecError("strategy canary has no steps", fix="add environments.<name>.steps, e.g. [{weight: 10}]")
        for step in environment.steps:
            middle += [Action(verb=Verb.SHIFT, weight=step.weight), Action(verb=Verb.VERIFY, seconds=step.bake)]
    return tuple(begin + middle + end)


def requires(actions: Sequence[Action]) -> frozenset[Capability]:
    """What a platform must be able to do for this plan."""
    needed = {Capability.HOSTS_SERVICES}
    if any(action.verb is Verb.SHIFT for action in actions):
        needed.add(Capability.SPLITS_TRAFFIC)
    if any(action.verb is Verb.MIGRATE for action in actions):
        needed.add(Capability.RUNS_JOBS)
    return frozenset(needed)


def advance(rollout: Rollout, verdict: Verdict) -> Rollout:
    """The rollout after its current action was done and judged.

    PASS moves on; anything else aborts, since a rollout that cannot be shown to be good is not good. PROMOTE that did
    not pass halts. One of a group is PROMOTED when `domain/together.py` says that all are, and not before.
    """
    action = rollout.action
    if action is None:
        return rollout
    why = "; ".join(verdict.reasons) or str(verdict.outcome)
    if rollout.status is Status.ABORTING:
        if verdict.outcome is Outcome.PASS:
            return rollout.model_copy(update={"status": Status.ABORTED})
        return rollout.model_copy(update={"status": Status.HALTED, "reason": f"{rollout.reason}; abort: {why}"})
    if verdict.outcome is not Outcome.PASS:
        if action.verb is Verb.PROMOTE:
            return rollout.model_copy(update={"status": Status.HALTED, "reason": f"promote: {why}"})
        return abort(rollout, f"{action}: {why}")
    promoted = rollout.promoted or action.verb is Verb.PROMOTE
    cursor = rollout.cursor + 1
    alone = rollout.group is None
    status = Status.PROMOTED if alone and cursor == len(rollout.plan) else Status.PROGRESSING
    return rollout.model_copy(update={"cursor": cursor, "status": status, "promoted": promoted})


def abort(rollout: Rollout, reason: str) -> Rollout:
    """The rollout on its way back to stable. Harmless on one that is over or already aborting. HALTED where stable
    cannot come back: it was promoted across a migration that cannot be undone."""
    if rollout.status is not Status.PROGRESSING:
        return rollout
    if rollout.promoted and rollout.frozen:
        why = f"not taken back to {rollout.stable}: migration {rollout.frozen} of {rollout.release.version}"
        return rollout.model_copy(
            update={"status": Status.HALTED, "reason": f"{reason}; {why} cannot be undone: go forward"}
        )
    return rollout.model_copy(update={"status": Status.ABORTING, "reason": reason})
