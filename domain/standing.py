"""Where an environment stands, for `tes status`: what runs, who holds it, what is under way and how to finish it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from domain import freeze
from domain.history import History
from domain.place import Lease, ReleaseState, ServiceState, Target
from domain.rollout import Rollout, Status
from domain.verdict import Value


class Share(Value):
    """One release that is there."""

    version: str
    role: str = Field(description="`stable`, `candidate` (a rollout's), `warm` (kept for a rollback), or `left over`")
    weight: int = Field(description="per cent of the traffic")
    copies: int = Field(description="running copies")
    replicas: int = Field(description="copies that it was released with")
    healthy: int = Field(description="copies that are healthy")
    warm_left: float | None = Field(None, description="seconds until it is no longer kept for a rollback")
    reason: str = Field("", description="what is wrong with it")


class Held(Value):
    """The lease."""

    holder: str = Field(description="who, on which machine, in which run")
    token: int = Field(description="fencing token: an older one is refused")
    since: float | None = Field(None, description="when it was taken; null where the audit log does not know it")
    expires_in: float = Field(description="seconds; it is renewed as long as its holder lives")


class UnderWay(Value):
    """A rollout that is not over."""

    id: str
    version: str
    strategy: str
    status: str = Field(description="`progressing` or `aborting`")
    step: str = Field(description="what is done next")
    done: int = Field(description="steps that are done")
    steps: int = Field(description="steps in all")
    started: float = Field(description="seconds since the epoch")
    running: bool = Field(description="somebody holds the environment; if not, a killed run left it half-way")
    finish: str = Field(description="how to finish it, or take it back")


class Told(Value):
    """A verdict of the audit log."""

    what: str = Field(description="`rollout.promoted`, `rollout.aborted`, `drift.FAIL`, ...")
    outcome: str = Field(description="`PASS`, `FAIL` or `INCONCLUSIVE`")
    at: float = Field(description="seconds since the epoch")
    by: str
    version: str | None = None
    why: str = ""


class Standing(Value):
    """One environment of one service."""

    target: Target
    platform: str = Field(description="as tes.yaml says it")
    problem: str = Field("", description="why it could not be asked; what follows is then empty")
    standing: str = Field("", description="where it stands, in a sentence")
    address: str = Field("", description="where the public is served")
    stable: str | None = Field(None, description="the version that is to have the traffic")
    releases: tuple[Share, ...] = Field((), description="stable, candidates with their weights, warm ones")
    token: int = Field(0, description="the newest fencing token")
    lease: Held | None = Field(None, description="null while nobody changes it")
    rollout: UnderWay | None = Field(None, description="under way, or left half-way")
    together: str = Field("", description="the services that it was released with as one, in a sentence")
    frozen: str = Field("", description="the migration without a way back, and what it keeps from coming back")
    verdict: Told | None = Field(None, description="how the last rollout ended, by the audit log")
    drift: Told | None = Field(None, description="the last look at drift, by the audit log")
    remarks: tuple[str, ...] = Field((), description="what could not be read: the notebook, the records")


def left_half_way(rollout: Rollout | None, lease: Lease | None, now: float) -> UnderWay | None:
    """What is under way, or was left; None when no rollout is."""
    if rollout is None or rollout.status.over:
        return None
    running, target = lease is not None and lease.expires > now, rollout.target
    return UnderWay(
        id=rollout.id,
        version=rollout.release.version,
        strategy=rollout.strategy,
        status=str(rollout.status),
        step=str(rollout.action),
        done=rollout.cursor,
        steps=len(rollout.plan),
        started=rollout.started,
        running=running,
        finish=_finish(rollout, running, target),
    )


def _finish(rollout: Rollout, running: bool, target: Target) -> str:
    where = f"--environment {target.environment}"
    if running:
        return f"it is under way; when its process is dead, wait for the lease to end, then: tes rollback {where}"
    back = f"tes rollback {where} takes it back to {rollout.stable or 'nothing'}"
    if rollout.promoted and rollout.frozen:
        back = f"{rollout.stable} cannot come back (migration {rollout.frozen}): go forward"
    if rollout.status is Status.ABORTING:
        return f"{back}; so does the next rollout"
    return f"the command that began it goes on at this step; {back}"


_ROLES = ("stable", "candidate", "warm", "left over")


def shares(state: ServiceState, rollout: UnderWay | None, now: float) -> tuple[Share, ...]:
    """The releases with what each of them is there for, stable first."""
    found = [_share(one, state, rollout, now) for one in state.releases]
    return tuple(sorted(found, key=lambda one: (_ROLES.index(one.role), one.version)))


def _share(one: ReleaseState, state: ServiceState, rollout: UnderWay | None, now: float) -> Share:
    version = one.release.version
    ill = [copy for copy in one.copies if not copy.healthy]
    left = None if one.warm_until is None else max(0.0, one.warm_until - now)
    if version == state.stable:
        role, left = "stable", None
    elif rollout is not None and version == rollout.version:
        role = "candidate"
    else:
        role = "warm" if left is not None else "left over"
    return Share(
        version=version,
        role=role,
        weight=one.weight,
        copies=len(one.copies),
        replicas=one.release.replicas,
        healthy=len(one.copies) - len(ill),
        warm_left=left,
        reason=one.reason or (ill[0].reason if ill else ""),
    )


def released_with(last: Rollout | None, state: ServiceState) -> str:
    """That the last rollout was one of a group, and how that stands, in a sentence; empty when it was not."""
    if last is None or last.group is None:
        return ""
    others = last.group.beside(last.target)
    if last.status is Status.HALTED or not last.status.over:
        return f"{last.status} as one release with {others} (group {last.group.id})"
    is_it = last.status is Status.PROMOTED and last.release.version == state.stable
    return f"released as one with {others} (group {last.group.id})" if is_it else ""


def frozen(state: ServiceState, history: History) -> str:
    """That earlier releases cannot come back, and why; empty when they can."""
    stable = state.of(state.stable)
    return freeze.told(history, stable.release if stable else None)


ENDS = {"rollout.promoted": "PASS", "rollout.aborted": "FAIL", "rollout.halted": "FAIL", "rollback.refused": "FAIL"}


def last(told: Sequence[Told], drift: bool) -> Told | None:
    """The newest end of a rollout, or look at drift; `told` is the newest first."""
    return next((one for one in told if one.what.startswith("drift.") == drift and one.outcome), None)
