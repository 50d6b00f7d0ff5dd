"""The argv of the test engine, and how a suite is put into it. Standard library only: `tes test` composes it before
anything slow is imported, and the flows by the same words."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from domain.errors import SpecError

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


def suite_argv(
    suite: Mapping[str, Any],
    *,
    python: str,
    root: StrPath,
    out: StrPath,
    cache: StrPath,
    selection: Sequence[str] = (),
    leave: Sequence[str] = (),
    workers: int | None = None,
    **more: Any,
) -> tuple[list[str], dict[str, str]]:
    """The argv of a suite (a `domain.spec.Suite` as JSON), and the files to write before it starts: path to text.

    Our options come last, so that neither the project's own nor the suite's can change what is judged. `more` is
    `engine_argv`'s. SpecError for a path that is an option.
    """
    chosen: Sequence[str] = selection or suite["paths"]
    for path in chosen:
        if path.startswith("-"):
            raise SpecError(f"tests.suites.{suite['name']}.paths: {path!r} is an option", fix="put options into args")
    files = {}
    if leave:
        more["leave"] = os.path.join(out, "leave.json")
        files[more["leave"]] = json.dumps(leave)
    if any("::" in one for one in selection):
        # Cases are chosen in the engine: as arguments they would all be collected before any is run.
        more["select"] = os.path.join(out, "select.json")
        files[more["select"]] = json.dumps(selection)
        chosen = tuple(dict.fromkeys(one.partition("::")[0] for one in selection))
    arguments = (*suite["args"], f"--rootdir={root}", "-o", f"cache_dir={cache}", *chosen)
    said = {name: suite[name] for name in ("start", "collect", "group_by", "case_timeout", "retries")}
    return engine_argv(python, out, arguments, workers=workers or suite["workers"], **said, **more), files
