"""What a person asked for, put in the place of what tes.yaml says."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from domain.errors import SpecError
from tasks.resolved import Resolved


class Wish(NamedTuple):
    """`words` are for the runner; `selection` are files, folders or node ids from the project's root.

    `changed`: only what a change can affect, against `base` if it is given; with `everything`, all of it, remembered.
    """

    suite: str | None = None
    workers: int | None = None
    retries: int | None = None
    words: tuple[str, ...] = ()
    selection: tuple[str, ...] = ()
    changed: bool = False
    base: str | None = None
    everything: bool = False


def wanted(found: Resolved, wish: Wish) -> list[Mapping[str, Any]]:
    """The suites to run. SpecError when what was asked for does not fit them."""
    suites = found.suites or []
    if wish.suite is not None:
        names = [suite["name"] for suite in suites]
        suites = [suite for suite in suites if suite["name"] == wish.suite]
        if not suites:
            raise SpecError(f"there is no suite {wish.suite!r}", fix=f"one of: {', '.join(names) or 'none is known'}")
    if wish.selection:
        suites = [suite for suite in suites if _covers(suite["paths"], wish.selection)] or suites
    if (wish.words or wish.selection) and len({suite["framework"] for suite in suites}) > 1:
        names = [suite["name"] for suite in suites]
        raise SpecError("it is not clear which suite is meant", fix=f"--suite with one of: {', '.join(names)}")
    changes: dict[str, Any] = {}
    if wish.selection:
        changes["paths"] = list(wish.selection)
    if wish.workers is not None:
        changes["workers"] = wish.workers
    if wish.retries is not None:
        changes["retries"] = wish.retries
    return [{**suite, **changes, "args": [*suite["args"], *wish.words]} for suite in suites]


def _covers(paths: Sequence[str], selection: Sequence[str]) -> bool:
    """Whether a part that was asked for is one of the suite's; a suite without paths covers all."""
    parts = [os.path.normpath(part.partition("::")[0]) for part in selection]
    return not paths or any(_below(part, os.path.normpath(path)) for path in paths for part in parts)


def _below(path: str, folder: str) -> bool:
    return folder == "." or path == folder or path.startswith(f"{folder}/")
