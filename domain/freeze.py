"""Where there is no way back: a migration that cannot be undone stands between two releases.

A release names the newest such migration it knows (`release.migrations.irreversible`). Whoever knows the same one is on
the same side of it; whoever came before does not know what the data has become.
"""

from __future__ import annotations

from domain.errors import SpecError
from domain.history import History
from domain.place import Release, Target
from domain.verdict import Value

FORWARD = (
    "go forward: release a version that repairs it. Where the data was restored by hand to what it was before, deploy "
    "the old revision anew: tes deploy --ref REVISION"
)


class Barrier(Value):
    """The migration, and the release that brought it."""

    migration: str
    version: str

    def __str__(self) -> str:
        return f"migration {self.migration} of {self.version} cannot be undone"


def mark(release: Release) -> str | None:
    """The newest migration without a way back that the release knows."""
    return release.migrations.irreversible if release.migrations else None


def barrier(history: History, wanted: Release, current: Release | None = None) -> Barrier | None:
    """What stands before `wanted`, the newest first; None where the way is open.

    `current` is what is stable: it counts also where the history does not know of its promotion.
    """
    steps = [(entry.first, entry.release) for entry in history]
    known = {release.version: first for first, release in steps}
    if current is not None and current.version not in known:
        steps.append((float("inf"), current))
    since = known.get(wanted.version, float("-inf"))
    here = {mark(release) for first, release in steps if first <= since} | {mark(wanted), None}
    across = [(first, release) for first, release in steps if first > since and mark(release) not in here]
    # Several releases may know the newest one; the first of them brought it.
    newest = mark(max(across, key=lambda one: one[0])[1]) if across else None
    brought = [(first, release) for first, release in across if mark(release) == newest]
    return Barrier(migration=str(newest), version=min(brought, key=lambda one: one[0])[1].version) if brought else None


def brings(history: History, release: Release) -> str:
    """The migration without a way back that this release is the first to bring; empty when it brings none."""
    name = mark(release)
    return name if name and name not in {mark(entry.release) for entry in history} else ""


def told(history: History, current: Release | None) -> str:
    """That earlier releases cannot come back, in a sentence; empty when all of them can."""
    barred = [found for entry in history if (found := barrier(history, entry.release, current))]
    return f"frozen: {barred[0]}, and nothing older comes back" if barred else ""


def refusal(target: Target, wanted: str, found: Barrier) -> SpecError:
    """The error for whoever wants that version back all the same."""
    return SpecError(f"{target} is frozen: {wanted} cannot come back: {found}, and {wanted} is older", fix=FORWARD)
