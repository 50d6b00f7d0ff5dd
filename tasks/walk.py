"""The files of a folder that git does not know: all but what .gitignore files, custom and the project leave out."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pathspec import GitIgnoreSpec

from tasks import revision

log = logging.getLogger(__name__)
_NEVER = GitIgnoreSpec.from_lines(revision.NEVER)


def chosen(names: Iterable[str], exclude: Sequence[str]) -> list[str]:
    """The names that no gitignore-style pattern of `exclude` matches."""
    if not exclude:
        return list(names)
    spec = GitIgnoreSpec.from_lines(exclude)
    return [name for name in names if not spec.match_file(name)]


def walk(root: Path, *, ignored: bool) -> Iterator[str]:
    """Files and links below a folder, relative to it. `ignored` leaves out what .gitignore files and custom leave out.

    Pipes, sockets and devices are left out with a warning: they have no content to copy.
    """
    pending: list[tuple[str, tuple[tuple[str, GitIgnoreSpec], ...]]] = [("", (("", _NEVER),) if ignored else ())]
    while pending:
        prefix, specs = pending.pop()
        here = root / prefix if prefix else root
        rules = here / ".gitignore"
        if ignored and rules.is_file():
            specs += ((prefix, GitIgnoreSpec.from_lines(rules.read_text("utf-8", "surrogateescape").splitlines())),)
        with os.scandir(here) as found:
            for item in found:
                name = prefix + item.name
                folder = item.is_dir(follow_symlinks=False)
                shown = f"{name}/" if folder else name
                if any(spec.match_file(shown.removeprefix(base)) for base, spec in specs):
                    continue
                if folder:
                    pending.append((f"{name}/", specs))
                elif item.is_symlink() or item.is_file(follow_symlinks=False):
                    yield name
                else:
                    log.warning("%s is a %s and is left out", root / name, _kind(item.stat(follow_symlinks=False)))


def _kind(status: os.stat_result) -> str:
    kinds = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(status.st_mode), "device")
