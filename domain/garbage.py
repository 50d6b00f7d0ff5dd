"""What is there and no longer needed: said before it is removed, and why."""

from __future__ import annotations

from domain.place import ServiceState
from domain.rollout import Rollout
from domain.verdict import Value


class Piece(Value):
    """One thing on a platform. `version` is a release of the target `where`; empty for what is no release."""

    platform: str
    where: str
    version: str = ""
    why: str
    done: bool = False
    problem: str = ""

    def __str__(self) -> str:
        what = f"{self.version} of {self.where}" if self.version else self.where
        return f"{self.platform}: {what}: {self.why}{self.problem and f'; kept: {self.problem}'}"


def spared(state: ServiceState, left: Rollout | None) -> str:
    """Why nothing of the target may go now; empty when it may. `left` is the last rollout that its notebook tells."""
    if state.lease is not None:
        return f"{state.lease.holder} is changing it"
    if left is not None and not left.status.over:
        return f"the rollout of {left.release.version} was left half-way: release again, or roll back"
    return ""


def unreferenced(state: ServiceState, now: float) -> dict[str, str]:
    """The versions that nobody needs, each with why: neither stable nor with traffic, and not kept warm any more. `now`
    is in seconds since the epoch."""
    found = {}
    for one in state.releases:
        if one.release.version == state.stable or one.weight:
            continue
        if one.warm_until is None:
            found[one.release.version] = "not stable, no traffic, not kept warm"
        elif one.warm_until <= now:
            found[one.release.version] = f"its warm time is over for {now - one.warm_until:.0f} s"
    return found
