"""What a flow's environment holds of the project itself: a copy of its files, and what was made when it was built.

An environment is made anew for each content of a project that can be built, elsewhere each time. So that not every
change changes "the installed packages", a file of the copy that is byte for byte one of the project's counts as that
one. Everything else (metadata, commands, generated and compiled files) counts for all cases, by its bytes.
"""

from __future__ import annotations

import csv
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from domain.blocks import digest

# Name the environment, and nothing that a test could mean.
_ABOUT = ("RECORD", "direct_url.json", "INSTALLER", "REQUESTED")


class Installed(NamedTuple):
    """`copies`: an installed file or folder → the project's own, from its root. `rest`: a digest of all that is
    installed besides, "" for an environment that is not one of ours."""

    copies: dict[str, str]
    rest: str


def installed(python: Path | None, names: Sequence[str], root: Path) -> Installed:
    """What the environment of that interpreter holds; `names` are the project's files below `root`."""
    folder = python.parent.parent if python is not None else Path()
    try:
        told = [(folder / "lock.txt").read_text()]
    except OSError:
        return Installed({}, "")
    by_name: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_name[name.rpartition("/")[2]].append(name)
    copies: dict[str, str] = {}
    for path, recorded in _files(folder):
        try:
            content = path.read_bytes()
        except OSError:
            continue
        twin = _twin(recorded, content, by_name, root)
        if twin is None:
            told.append(f"{recorded} {digest(content.replace(os.fsencode(folder), b''))}")
            continue
        copies[os.fspath(path)] = twin
        # The folders, too: a case may list one.
        above, there, inside = path.parent, twin.rpartition("/")[0], recorded.rpartition("/")[0]
        while inside and there:
            copies.setdefault(os.fspath(above), there)
            above, there, inside = above.parent, there.rpartition("/")[0], inside.rpartition("/")[0]
    return Installed(copies, digest("\n".join(sorted(told)).encode("utf-8", "surrogateescape")))


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """(file, its name in the distribution) of all that was installed from this machine's disk, but for compiled Python
    that is made from a file beside it."""
    for packages in folder.glob("lib/python*/site-packages"):
        for about in packages.glob("*.dist-info"):
            try:
                url = json.loads((about / "direct_url.json").read_bytes())["url"]
                rows = list(csv.reader((about / "RECORD").read_text().splitlines()))
            except (OSError, ValueError, KeyError, TypeError):
                continue
            for name in {row[0] for row in rows if row} if str(url).startswith("file:") else ():
                if not (name.endswith(".pyc") or (name.startswith(about.name) and name.endswith(_ABOUT))):
                    yield packages / name, name


def _twin(recorded: str, content: bytes, by_name: dict[str, list[str]], root: Path) -> str | None:
    """The project's file of the same name in a folder of the same name, with the same bytes."""
    for name in sorted(by_name.get(recorded.rpartition("/")[2], ()), key=len):
        if name == recorded or name.endswith(f"/{recorded}"):
            try:
                if (root / name).read_bytes() == content:
                    return name
            except OSError:
                continue
    return None
