"""Notices that files of a project changed, by looking at their stamps. Standard library: ten thousand files are looked
through in some twenty milliseconds, which is less than a watcher's library takes to load.
"""

from __future__ import annotations

import os

_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})
_ENDINGS = (".pyc", ".pyo", "~", ".swp", ".tmp")
Stamps = dict[str, tuple[int, int]]


def stamps(root: str) -> Stamps:
    """Path → time of change and size of a project's files; without hidden ones, environments and what is generated."""
    found: Stamps = {}
    folders = [root]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                inside = list(entries)
        except OSError:
            continue
        if any(entry.name == "pyvenv.cfg" for entry in inside):
            continue
        for entry in inside:
            name = entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    if not (name.startswith(".") or name in _SKIPPED or name.endswith(".egg-info")):
                        folders.append(entry.path)
                elif not name.startswith(".") and not name.endswith(_ENDINGS):
                    about = entry.stat()
                    found[entry.path] = (about.st_mtime_ns, about.st_size)
            except OSError:
                continue
    return found


class Changes:
    """What changed since the last look, without what the tests themselves write at every run."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.seen = stamps(root)
        self.own: set[str] = set()
        self.suspects: set[str] = set()

    def look(self) -> list[str]:
        """The files that came, went or changed since the last look, from the root."""
        return sorted(os.path.relpath(path, self.root) for path in self._differ() - self.own)

    def after_run(self) -> list[str]:
        """As `look`, at the end of a run. A file that changed during two runs in a row is written by the tests."""
        differ = self._differ()
        self.own |= differ & self.suspects
        self.suspects = differ
        return sorted(os.path.relpath(path, self.root) for path in differ - self.own)

    def _differ(self) -> set[str]:
        now = stamps(self.root)
        before, self.seen = self.seen, now
        return {path for path in before.keys() | now.keys() if before.get(path) != now.get(path)}
