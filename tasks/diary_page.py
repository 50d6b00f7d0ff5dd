"""A file of audit entries on their way into the records, one a line: what a killed process or a lost database leaves.

Its writer holds a lock on it as long as it lives, so that nobody takes over what is still being written. Below
TES_HOME, readable by its owner alone.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from records.write.audit import Deed, audit_all
from tasks.state_folder import home


def folder() -> Path:
    """Where such files are."""
    return Path(home()) / "audit"


class Page:
    """The file that this process writes. OSError from whatever the disk refuses."""

    def __init__(self, name: str) -> None:
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = folder() / f"{name}.jsonl"
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def add(self, deed: Deed) -> None:
        """One line, in one write: a kill in between leaves whole lines."""
        os.write(self._file, json.dumps(deed, separators=(",", ":")).encode() + b"\n")

    def keep(self) -> None:
        """It stays, and survives the machine's end as well."""
        os.fsync(self._file)
        os.close(self._file)

    def remove(self) -> None:
        """All of it is in the records."""
        self.path.unlink(missing_ok=True)
        os.close(self._file)


def read(path: Path) -> list[Deed]:
    """The entries of a file; a last line that was cut off by a kill is none."""
    found = []
    for line in path.read_bytes().splitlines():
        try:
            found.append(Deed(*json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found


def caught_up() -> int:
    """Brings what dead processes left into the records, and returns how many entries that were. Harmless to repeat.

    TesError when the records do not take them; then they stay where they are.
    """
    count = 0
    for path in _left():
        deeds = read(path)
        count += audit_all(deeds, again=True) if deeds else 0
        path.unlink(missing_ok=True)
    return count


def _left() -> Iterator[Path]:
    """The files of processes that are gone, each locked while it is looked at."""
    for path in sorted(folder().glob("*.jsonl")):
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # another process brought it in
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file).st_nlink:
                yield path
        except BlockingIOError:
            continue
        finally:
            os.close(file)


def waiting() -> tuple[str, ...]:
    """That entries are not in the records yet, in a sentence; nothing when all are."""
    count = sum(len(read(path)) for path in _left())
    if not count:
        return ()
    return (f"{count} audit entries wait in {folder()}: the records did not take them; the next run or tes audit does",)
