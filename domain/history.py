"""What an environment has run: a page of its own notebook, so that a rollback needs no database. Newest first."""

from __future__ import annotations

from pydantic import TypeAdapter

from domain.place import Release
from domain.release import label
from domain.verdict import Value

LENGTH = 20


class Entry(Value):
    """A release that was promoted. `rolled_back`: it was left for an earlier one, so nobody goes back to it unasked.
    `born` is when it was promoted for the first time: a migration is as old as that."""

    release: Release
    promoted: float
    rolled_back: bool = False
    born: float | None = None

    @property
    def first(self) -> float:
        """When it was promoted for the first time, in seconds since the epoch."""
        return self.promoted if self.born is None else self.born


History = tuple[Entry, ...]
_adapter: TypeAdapter[History] = TypeAdapter(History)


def read(page: str | None) -> History:
    """The history from its page; nothing yet is an empty one."""
    return _adapter.validate_json(page) if page else ()


def write(history: History) -> str:
    """The page of a history."""
    return _adapter.dump_json(history).decode()


def promoted(history: History, release: Release, at: float) -> History:
    """With `release` newest; an earlier entry of the same version is replaced."""
    rest = tuple(entry for entry in history if entry.release.version != release.version)
    born = next((entry.first for entry in history if entry.release.version == release.version), at)
    return (Entry(release=release, promoted=at, born=born), *rest)[:LENGTH]


def is_left(history: History, version: str) -> bool:
    """Whether that version was rolled back and not promoted since."""
    return any(entry.rolled_back for entry in history if entry.release.version == version)


def left(history: History, version: str) -> History:
    """With `version` marked as rolled back."""
    return tuple(
        entry.model_copy(update={"rolled_back": True}) if entry.release.version == version else entry
        for entry in history
    )


def find(history: History, wanted: str) -> Release | None:
    """The release of that version, or of the one version that begins with it followed by a dot (`v1.2.0` finds
    `v1.2.0.3fa9c1`); the newest when several do."""
    for entry in history:
        if entry.release.version == wanted or entry.release.version.rpartition(".")[0] in (wanted, label(wanted)):
            return entry.release
    return None


def intended(history: History) -> Release | None:
    """What the environment is to serve: the newest release that nobody left. None when there is none."""
    return next((entry.release for entry in history if not entry.rolled_back), None)


def previous(history: History, current: str | None) -> Release | None:
    """What to go back to from `current`: the newest other release that nobody rolled back."""
    for entry in history:
        if entry.release.version != current and not entry.rolled_back:
            return entry.release
    return None
