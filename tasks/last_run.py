"""What the last `tes test` of a project came to, for the next one: what failed comes first, what was kept is told."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tasks.spool import runs_of
from tasks.state_folder import read_json, write_json

_MOST = 10_000


class Last(NamedTuple):
    """`bad` are node ids, by suite; `told` is the line with the numbers."""

    state: str
    told: str
    bad: dict[str, list[str]]
    folder: str


def read(root: str) -> Last | None:
    """None when there was none."""
    try:
        return Last(**read_json(_path(root)))
    except TypeError:
        return None


def write(root: str, state: str, told: str, bad: Mapping[str, Sequence[str]], folder: str) -> None:
    """Replaces what was there."""
    few = {suite: list(ids)[:_MOST] for suite, ids in bad.items()}
    write_json(_path(root), Last(state, told, few, folder)._asdict())


def _path(root: str) -> str:
    return os.path.join(runs_of(root), "last.json")
