"""A run of `tes test` that was stopped or killed: what the next one may go on from, and when it must not.

Written when a run has begun and removed when it has come to its end. It is gone on with only where everything is as it
was: the files, by their stamps; the options; the interpreter with its packages; the environment. Standard library only:
this is read before the tests start.
"""

from __future__ import annotations

import glob
import json
import os
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tasks.spool import runs_of
from tasks.state_folder import read_json, write_json

# Results of yesterday are no part of a run of today. Seconds.
OLDEST_S = 24 * 3600.0
# More files than this are not compared: every run begins afresh.
_MOST = 50_000
# What differs between two terminals, or two commands in one, and means nothing to a test.
_VOLATILE = ("_", "OLDPWD", "SHLVL", "WINDOWID", "COLUMNS", "LINES", "TES_RECORD")

Stamps = Mapping[str, Sequence[int]]


class BrokenOff(NamedTuple):
    """A run. `conditions` are checksums of what it ran under, by a word for people; `files` are paths and stamps;
    `done` are the rounds of the suites that had ended, as the spool writes them."""

    folder: str
    pid: int
    began: float
    conditions: dict[str, int]
    files: dict[str, list[int]]
    done: dict[str, list[Any]] = {}


def left(root: str) -> BrokenOff | None:
    """The run of a project that did not come to its end; None when there is none, or it is still running."""
    said = read_json(_path(root))
    try:
        found = BrokenOff(**said)
        os.kill(found.pid, 0)
    except ProcessLookupError:
        return found if os.path.isdir(found.folder) else None
    except (TypeError, OSError):
        pass
    return None


def say(root: str, run: BrokenOff) -> None:
    """Writes it, where there are not too many files to compare."""
    if len(run.files) <= _MOST:
        write_json(_path(root), run._asdict())


def forget(root: str) -> None:
    """The run came to its end, or a new one begins afresh."""
    try:
        os.unlink(_path(root))
    except OSError:
        pass


def conditions(python: str, suites: Sequence[Mapping[str, Any]], environment: Mapping[str, str]) -> dict[str, int]:
    """Checksums of what decides a result besides the project's files."""
    packages = glob.glob(os.path.join(os.path.dirname(os.path.dirname(python)), "lib*", "python*", "*-packages"))
    stamps: list[Any] = [[path, os.stat(path).st_mtime_ns] for path in sorted(packages)]
    # Packages that cannot be seen (behind a shim, say) may have changed: such a run is never gone on with.
    stamps = stamps or [time.time_ns()]
    around = {name: value for name, value in environment.items() if name not in _VOLATILE}
    return {
        "the options": _sum(suites),
        "the interpreter or its packages": _sum([python, stamps]),
        "the environment": _sum(around),
    }


def differs(before: BrokenOff, now: Mapping[str, int], files: Stamps) -> str:
    """Why the run is not gone on with; "" when everything is as it was."""
    for word, value in now.items():
        if before.conditions.get(word) != value:
            return f"{word} changed"
    other = sorted(
        path for path in before.files.keys() | files.keys() if before.files.get(path) != list(files.get(path, ()))
    )
    if other:
        more = f" and {len(other) - 1} more" if len(other) > 1 else ""
        return f"{other[0]}{more} changed"
    return "it is too long ago" if time.time() - before.began > OLDEST_S else ""


def take_over(before: str, out: str) -> bool:
    """The journal of a suite that was broken off, in the folder of the run that goes on. No byte is copied: a journal's
    file is never written again by another process. False when there is none."""
    source, target = os.path.join(before, "journal"), os.path.join(out, "journal")
    try:
        names = [name for name in os.listdir(source) if name.endswith(".jsonl")]
        os.makedirs(target, exist_ok=True)
        for name in names:
            os.link(os.path.join(source, name), os.path.join(target, name))
    except OSError:
        import shutil

        shutil.rmtree(target, ignore_errors=True)
        return False
    return bool(names)


def _sum(value: Any) -> int:
    return zlib.crc32(json.dumps(value, sort_keys=True).encode("utf-8", "surrogatepass"))


def _path(root: str) -> str:
    return os.path.join(runs_of(root), "begun.json")
