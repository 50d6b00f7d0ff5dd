"""The argv of the test engine. Standard library only: `tes test` composes it before anything slow is imported."""

from __future__ import annotations

import os
from collections.abc import Sequence

BOOT = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "tes_engine", "boot.py")
CASE_TIMEOUT_S = 600.0
"""What one case may take where nobody says: a test that hangs costs ten minutes, not the suite's half hour."""
StrPath = str | os.PathLike[str]


def engine_argv(
    python: str,
    out: StrPath,
    arguments: Sequence[str],
    *,
    workers: int | None = None,
    start: str = "auto",
    collect: str = "auto",
    group_by: str = "auto",
    case_timeout: float | None = None,
    retries: int = 0,
    durations: StrPath | None = None,
    select: StrPath | None = None,
    leave: StrPath | None = None,
    repeat: StrPath | None = None,
    coverage: StrPath | None = None,
    impact: bool = False,
) -> list[str]:
    """The engine in the project's interpreter `python`, its journal in `out`; `arguments` are pytest's.

    `workers` None: one a processor. `case_timeout` is in seconds, 0 for no limit. The paths are JSON files, but for
    `coverage`, which is a configuration of coverage.py.
    """
    argv = [python, BOOT, "--out", str(out), "--workers", str(workers or 0)]
    for word, value, usual in (("start", start, "auto"), ("collect", collect, "auto"), ("group-by", group_by, "auto")):
        if value != usual:
            argv += [f"--{word}", value]
    argv += ["--case-timeout", f"{CASE_TIMEOUT_S if case_timeout is None else case_timeout:g}"]
    if retries:
        argv += ["--retries", str(retries)]
    files = {"durations": durations, "select": select, "leave": leave, "repeat": repeat, "coverage": coverage}
    for word, path in files.items():
        if path is not None:
            argv += [f"--{word}", str(path)]
    return [*argv, *(["--impact"] if impact else []), "--", *arguments]
