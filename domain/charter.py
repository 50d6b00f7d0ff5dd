"""What an environment is to be, as one document: who may change it, which releases it has, and who gets the traffic.

For platforms without an agent of their own. The document lies where the environment is, and is replaced only by whoever
has read the newest one (compare and swap); what runs is made to agree with it. Everything here is pure: a charter and a
wish give another charter, or a refusal in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from pydantic import Field

from domain import leasing
from domain.errors import Rejected
from domain.place import Lease, Release, Target
from domain.verdict import Value


class Placed(Value):
    """A release that has copies. `seats` are theirs, one each: numbers that were free when they were given."""

    release: Release
    weight: int = 0
    seats: tuple[int, ...] = ()
    since: float = Field(0.0, description="seconds since the epoch: when its copies were asked for")
    warm_until: float | None = None


class Charter(Value):
    """One target's. `serial` grows with each change; `seat` is the next to be given."""

    target: Target
    serial: int = 0
    token: int = 0
    lease: Lease | None = None
    stable: str | None = None
    releases: tuple[Placed, ...] = ()
    seat: int = 0
    pages: dict[str, str] = Field(default_factory=dict)

    def of(self, version: str | None) -> Placed | None:
        return next((one for one in self.releases if one.release.version == version), None)

    def changed(self, **values: object) -> Self:
        return self.model_copy(update={"serial": self.serial + 1, **values})

    # The lease.

    def acquired(self, holder: str, ttl: float, now: float) -> Self:
        """Held for `ttl` seconds; the same holder renews and keeps its token. LockHeld names another one."""
        lease = leasing.taken(self.target, self.lease, self.token, holder, ttl, now)
        return self.changed(token=lease.token, lease=lease)

    def given_back(self, lease: Lease) -> Self:
        """Without it; the same where it is not the one that is held."""
        return self.changed(lease=None) if leasing.is_held(lease, self.lease) else self

    def fenced(self, lease: Lease) -> Self:
        """Rejected for another target, or a token older than the newest."""
        leasing.fence(lease, self.target, self.lease, self.token)
        return self if lease.token == self.token else self.changed(token=lease.token)

    # Releases. `ready` is what was seen a moment ago: versions whose copies are all healthy.

    def provisioned(self, release: Release, seats: int, now: float) -> Self:
        """With the release, on seats of its own. The same where it is there already, however often it is said.
        `seats` is how many numbers there are. Rejected where what has the traffic would become another."""
        here = self.of(release.version)
        if here is not None and here.release == release:
            return self
        if here is not None and (here.weight or here.release.version == self.stable):
            same = here.release.artifact.digest == release.artifact.digest
            what = "its configuration" if same else "its artifact"
            raise Rejected(
                f"release {release.version} of {self.target} has the traffic and is immutable: {what} is another now",
                fix="release it under another version",
            )
        taken = {seat for one in self.releases for seat in one.seats if one is not here}
        free = [n % seats for n in range(self.seat, self.seat + seats) if n % seats not in taken]
        if len(free) < release.replicas:
            raise Rejected(
                f"{release.replicas} copies of {release.version} do not fit: {len(taken)} of {seats} seats are taken",
                fix="lower release.replicas, or retire another release first",
            )
        given = tuple(free[: release.replicas])
        placed = Placed(release=release, seats=given, since=now)
        others = tuple(one for one in self.releases if one is not here)
        return self.changed(releases=(*others, placed), seat=(given[-1] + 1) % seats if given else self.seat)

    def shifted(self, version: str, weight: int, ready: Sequence[str]) -> Self:
        """`weight` % for this version, the rest for stable."""
        self._there(version)
        if not 0 <= weight <= 100:
            raise Rejected(f"weight {weight} is not a share", fix="give a weight from 0 to 100")
        if weight:
            self._ready(version, ready)
        if self.of(self.stable) is None or (version == self.stable and weight != 100):
            raise Rejected(f"{version} cannot share the traffic of {self.target}: stable is {self.stable}")
        return self._shared({str(self.stable): 100 - weight, version: weight})

    def promoted(self, version: str, ready: Sequence[str], now: float) -> Self:
        """All traffic for this version, which is stable from now on; the one before stays warm for the time that the
        new one asks for."""
        here = self._there(version)
        if self.stable == version and here.weight == 100:
            return self
        self._ready(version, ready)
        warm = now + here.release.warm
        releases = []
        for one in self.releases:
            until = None if one is here else warm if one.release.version == self.stable else one.warm_until
            releases.append(one.model_copy(update={"warm_until": until}))
        return self.model_copy(update={"releases": tuple(releases), "stable": version})._shared({version: 100})

    def aborted(self, stable: str | None, alive: Sequence[str], now: float) -> Self:
        """All traffic for `stable`; what is not within its warm time is gone. `alive` are the versions with a healthy
        copy: a dead stable release does not take the traffic from one that lives."""
        if stable is not None:
            self._there(stable)
            better = [one.release.version for one in self.releases if one.weight and one.release.version in alive]
            if stable not in alive and better:
                raise Rejected(
                    f"release {stable} of {self.target} has no healthy copy, and {better[0]} has",
                    fix=f"provision {stable} again, wait until it is ready, and abort then",
                )
        kept = []
        for one in self.releases:
            if stable is not None and one.release.version == stable:
                kept.append(one.model_copy(update={"warm_until": None}))
            elif stable is not None and one.warm_until is not None and one.warm_until > now:
                kept.append(one)
        changed = self.model_copy(update={"releases": tuple(kept), "stable": stable})
        return changed._shared({stable: 100} if stable is not None else {})

    def retired(self, version: str) -> Self:
        """Without this version; Rejected where it has the traffic."""
        here = self.of(version)
        if here is None:
            return self
        if here.weight or version == self.stable:
            raise Rejected(f"release {version} of {self.target} has the traffic", fix="promote another one first")
        return self.changed(releases=tuple(one for one in self.releases if one is not here))

    def cooled(self, now: float) -> Self:
        """Without what is no longer warm."""
        kept = tuple(one for one in self.releases if one.weight or one.warm_until is None or one.warm_until > now)
        return self if len(kept) == len(self.releases) else self.changed(releases=kept)

    def noted(self, key: str, text: str) -> Self:
        """With this page of the notebook."""
        return self.changed(pages={**self.pages, key: text})

    def _shared(self, weights: Mapping[str, int]) -> Self:
        releases = [one.model_copy(update={"weight": weights.get(one.release.version, 0)}) for one in self.releases]
        return self.changed(releases=tuple(releases))

    def _there(self, version: str) -> Placed:
        here = self.of(version)
        if here is None:
            raise Rejected(f"release {version} of {self.target} is not there", fix="provision it first")
        return here

    def _ready(self, version: str, ready: Sequence[str]) -> None:
        if version not in ready:
            raise Rejected(
                f"release {version} of {self.target} is not ready", fix="wait until it is; `tes status` says why not"
            )
