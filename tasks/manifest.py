"""Which files a snapshot has, and what is in them: hashing, the memory of earlier hashes, copying, and checking a copy.

A digest covers each path, whether it can be executed, and its bytes (a link: where it points); never times or owners.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from domain.errors import SpecError

_CHUNK = 1 << 20
# A file touched this shortly before it was hashed may change again within one tick of the file system's clock.
_RACY_NS = 1_000_000_000


class Entry(NamedTuple):
    """One file. `kind` is f, x (executable) or l (symbolic link); `sha` is hex, of its bytes or its target."""

    path: str
    kind: str
    sha: str
    size: int


class Changed(Exception):
    """A file changed or vanished while it was looked at: look again."""


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_mode)


def _sha(path: Path, copy: Path | None = None) -> str:
    """SHA-256 of a file's bytes, which are also written to `copy`."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        if copy is None:
            while block := file.read(_CHUNK):
                digest.update(block)
        else:
            with copy.open("xb", buffering=0) as target:
                while block := file.read(_CHUNK):
                    digest.update(block)
                    view = memoryview(block)
                    while view:
                        view = view[target.write(view) :]
    return digest.hexdigest()


def _linked(root: Path, real: str, name: str) -> Entry:
    """A symbolic link that stays in the tree. SpecError for one that leaves it."""
    path = root / name
    target = os.readlink(path)
    goal = os.path.realpath(path)
    if os.path.isabs(target) or (goal != real and not goal.startswith(real + os.sep)):
        raise SpecError(
            f"the symbolic link {name} in {root} points out of the tree, to {target}",
            fix="make it a relative link to something inside, copy the file in, or leave it out with build.exclude",
        )
    raw = os.fsencode(target)
    return Entry(name, "l", hashlib.sha256(raw).hexdigest(), len(raw))


def read(root: Path, names: Iterable[str], memory: Path | None = None) -> list[Entry]:
    """Every file's entry, sorted by path. `memory` is a file that remembers hashes of files that did not change.

    SpecError for a link that leaves the tree or a file that cannot be read, Changed for one that would not hold still.
    """
    known = _recall(memory)
    remembered: dict[str, tuple[tuple[int, ...], str]] = {}
    entries: list[Entry] = []
    base, real, now = f"{root}{os.sep}", os.path.realpath(root), time.time_ns()
    for name in sorted(names):
        path = base + name
        try:
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                entries.append(_linked(root, real, name))
                continue
            if not stat.S_ISREG(status.st_mode):
                raise SpecError(f"{path} is a pipe, a socket or a device", fix="remove it, or use build.exclude")
            stamp = _stamp(status)
            earlier = known.get(name)
            if earlier is not None and earlier[0] == stamp:
                sha = earlier[1]
            else:
                sha = _sha(Path(path))
                if _stamp(os.lstat(path)) != stamp:
                    raise Changed(name)
        except PermissionError as error:
            raise SpecError(
                f"{path} cannot be read: {error.strerror}", fix="make it readable, or leave it out with build.exclude"
            ) from error
        except FileNotFoundError as error:
            raise Changed(name) from error
        if now - max(status.st_mtime_ns, status.st_ctime_ns) > _RACY_NS:
            remembered[name] = (stamp, sha)
        entries.append(Entry(name, "x" if status.st_mode & stat.S_IXUSR else "f", sha, status.st_size))
    if memory is not None and remembered != known:
        write(memory, json.dumps(remembered))
    return entries


def _recall(memory: Path | None) -> dict[str, tuple[tuple[int, ...], str]]:
    """A memory that cannot be read is no memory: everything is hashed again."""
    try:
        kept = json.loads(memory.read_bytes()) if memory else {}
        return {name: (tuple(stamp), sha) for name, (stamp, sha) in kept.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def digest(entries: Iterable[Entry]) -> str:
    """`sha256:<hex>` of all entries, which must be sorted by path."""
    total = hashlib.sha256()
    for entry in entries:
        total.update(b"%s\0%s\0%s\n" % (os.fsencode(entry.path), entry.kind.encode(), entry.sha.encode()))
    return f"sha256:{total.hexdigest()}"


def copy(root: Path, entries: Iterable[Entry], into: Path) -> None:
    """The files of the entries in a new folder. Changed when one is not any more what its entry says."""
    made: set[str] = set()
    into.mkdir(parents=True)
    for entry in entries:
        path, target = root / entry.path, into / entry.path
        parent = os.path.dirname(entry.path)
        if parent not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(parent)
        try:
            if entry.kind == "l":
                os.symlink(os.readlink(path), target)
                continue
            if _sha(path, target) != entry.sha:
                raise Changed(entry.path)
        except FileNotFoundError as error:
            raise Changed(entry.path) from error
        os.chmod(target, 0o755 if entry.kind == "x" else 0o644)


def save(file: Path, tree: Path, entries: Iterable[Entry]) -> None:
    """Keep the entries beside their copy, each with its file's time of change, by which a later hand is noticed."""
    rows = [[*entry, os.lstat(tree / entry.path).st_mtime_ns] for entry in entries]
    write(file, json.dumps(rows))


def load(file: Path, tree: Path) -> list[Entry] | None:
    """The entries of a copy, or None when it is not whole: a file is missing, or is not as it was copied."""
    try:
        rows: list[tuple[str, str, str, int, int]] = json.loads(file.read_bytes())
        for path, kind, _, size, modified in rows:
            status = os.lstat(f"{tree}{os.sep}{path}")
            if status.st_mtime_ns != modified or (kind != "l" and status.st_size != size):
                return None
    except (OSError, ValueError):
        return None
    return [Entry(*row[:4]) for row in rows]


def write(file: Path, text: str) -> None:
    """All of the text, or what was there before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_name(f".{file.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        half.write_text(text)
        os.replace(half, file)
    finally:
        half.unlink(missing_ok=True)


def sizes(entries: Iterable[Entry]) -> Mapping[str, int]:
    """How many files and bytes."""
    total = [entry.size for entry in entries]
    return {"files": len(total), "size": sum(total)}
