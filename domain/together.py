"""The machine over the rollouts of a group: which of them move next, and how the fate of one becomes that of all.

    every member's next action has a rank; those of the lowest rank move, all at once, and the others wait
        migrate ▶ provision ▶ wait_ready ▶ (shift ▶ verify)… ▶ promote ▶ verify ▶ the end, where all wait for all

Nothing is promoted before everything is proven; no canary takes a step before all have taken the one before it. One
that does not pass takes all back, unless what is promoted has no way back: then nothing goes back, and all halt where
they are. Such a member is promoted last, when all others are, and a group has one at most.
Method: two-phase commit with a last resource (J. Gray and A. Reuter, Transaction Processing, 1992, chapter 10): who
cannot undo is asked last. A single rollout is a group of one.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from domain.errors import SpecError
from domain.place import ServiceState, Target
from domain.rollout import Rollout, Status, Verb, abort
from domain.verdict import Value

Rollouts = tuple[Rollout, ...]


def rank(rollout: Rollout) -> tuple[int, int] | None:
    """When its next action's turn is; None when it has none. The k-th canary step of one goes with the k-th of all."""
    action = rollout.action
    if action is None:
        return None
    shifts = sum(one.verb is Verb.SHIFT for one in rollout.plan[: rollout.cursor])
    match action.verb:
        case Verb.ABORT:
            return -1, 0
        case Verb.MIGRATE | Verb.RETIRE:
            return 0, 0
        case Verb.PROVISION:
            return 1, 0
        case Verb.WAIT_READY:
            return 2, 0
        case Verb.SHIFT:
            return 3, 2 * shifts
        case Verb.PROMOTE:
            return 4, bool(rollout.frozen)
        case Verb.VERIFY:
            return (5, 0) if rollout.promoted else (3, 2 * shifts - 1)


def due(rollouts: Sequence[Rollout]) -> tuple[int, ...]:
    """The places of those whose action is next; empty when all is over. Going back comes before all else."""
    ranks = [rank(one) for one in rollouts]
    lowest = min((one for one in ranks if one is not None), default=None)
    return tuple(at for at, one in enumerate(ranks) if one is not None and one == lowest)


def agreed(rollouts: Sequence[Rollout]) -> Rollouts:
    """The group once its members have heard of each other: all promoted when all have come to the end, all back when
    one is on its way back or could not go on. Harmless said twice."""
    bad = [one for one in rollouts if one.status in (Status.ABORTING, Status.ABORTED, Status.HALTED)]
    if bad:
        return back(rollouts, f"{bad[0].target.service}: {bad[0].reason}")
    if all(one.action is None for one in rollouts):
        return tuple(one.model_copy(update={"status": Status.PROMOTED}) for one in rollouts)
    return tuple(rollouts)


def back(rollouts: Sequence[Rollout], why: str) -> Rollouts:
    """All on their way back to what was stable; what is over stays over. Where one that is promoted has no way back,
    the promoted ones halt where they are: old beside new is what a group must not be."""
    stuck = next((one for one in rollouts if one.promoted and one.frozen and one.status is not Status.ABORTED), None)
    if stuck is None:
        return tuple(abort(one, why) for one in rollouts)
    here = f"not taken back, because {stuck.target.service} cannot be: migration {stuck.frozen}: go forward"

    def kept(one: Rollout) -> Rollout:
        if one is stuck or not one.promoted or one.status not in (Status.PROGRESSING, Status.ABORTING):
            return abort(one, why)
        reason = one.reason if one.status is Status.ABORTING else why
        return one.model_copy(update={"status": Status.HALTED, "reason": f"{reason}; {here}"})

    return tuple(kept(one) for one in rollouts)


def arrived(rollouts: Sequence[Rollout]) -> bool:
    """Whether all are promoted and verified, though it may not have been said yet."""
    return all(one.promoted and one.action is None and _on_its_way(one) for one in rollouts)


def _on_its_way(rollout: Rollout) -> bool:
    return rollout.status in (Status.PROGRESSING, Status.PROMOTED)


def settled(rollouts: Sequence[Rollout], why: str) -> Rollouts:
    """What a killed process left, told by the notebooks of all members: forward when all had been promoted, and back
    when one had not."""
    whole = all(one.promoted and _on_its_way(one) for one in rollouts)
    return agreed(rollouts) if whole else back(rollouts, why)


def mended(rollouts: Sequence[Rollout], why: str) -> Rollouts:
    """The group on its way back once more, where somebody asked for it after it had halted. Nothing moves where one
    that is promoted has no way back."""
    if any(one.promoted and one.frozen for one in rollouts):
        return tuple(rollouts)
    halted = [one.status is Status.HALTED for one in rollouts]
    again = {"status": Status.PROGRESSING, "reason": ""}
    return back([one.model_copy(update=again) if was else one for one, was in zip(rollouts, halted, strict=True)], why)


def one_last(rollouts: Sequence[Rollout]) -> None:
    """SpecError when more than one member brings a migration that cannot be undone: after the first of them was
    promoted, a failure of the second would leave old beside new."""
    frozen = [f"{one.target.service} ({one.frozen})" for one in rollouts if one.frozen]
    if len(frozen) > 1:
        raise SpecError(
            f"{len(frozen)} services of the group bring a migration that cannot be undone: {', '.join(frozen)}",
            fix="release all but one of them alone first; one that cannot go back can only be the last to be promoted",
        )


class Stand(Value):
    """Where one service of a group stands after all, as it was seen. `now` is the version with all traffic: None when
    nothing is released or the traffic is divided, and `unseen` says why when the platform could not be asked."""

    target: Target
    before: str | None
    wanted: str
    now: str | None = None
    empty: bool = Field(False, description="nothing is released there")
    unseen: str = ""

    @property
    def is_new(self) -> bool:
        return self.now == self.wanted

    @property
    def is_old(self) -> bool:
        return not self.unseen and (self.now == self.before if self.before else self.empty)

    def __str__(self) -> str:
        if self.unseen:
            return f"{self.target.service} is not known: {self.unseen}"
        where = "is at" if self.now else "has nothing" if self.empty else "has its traffic divided"
        which = "new" if self.is_new else "old" if self.is_old else "neither"
        return " ".join(filter(None, (self.target.service, where, self.now, f"({which})")))


def stand(rollout: Rollout, state: ServiceState | None, unseen: str = "") -> Stand:
    """Where it stands, from what the platform says; `state` is None where it could not be asked."""
    share = state.of(state.stable) if state is not None else None
    return Stand(
        target=rollout.target,
        before=rollout.stable,
        wanted=rollout.release.version,
        now=share.release.version if share is not None and share.weight == 100 else None,
        empty=state is not None and state.stable is None and not any(one.weight for one in state.releases),
        unseen=unseen,
    )


def torn(stands: Sequence[Stand]) -> str:
    """Who stands where when a group is neither all new nor all old; empty when it is one of them."""
    if all(one.is_new for one in stands) or all(one.is_old for one in stands):
        return ""
    return "; ".join(map(str, stands))
