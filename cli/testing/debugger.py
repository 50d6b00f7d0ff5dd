"""`tes test -- --pdb`: a debugger needs the terminal, and one process. pytest runs by itself, and nothing is judged."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from domain.errors import EXIT_INCONCLUSIVE, SpecError
from tasks.project_python import Chosen, surroundings

OPTIONS = ("--pdb", "--trace")


def asked(suites: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one of pytest's suites is to stop in a debugger."""
    return any(suite["framework"] == "pytest" and set(OPTIONS) & set(suite["args"]) for suite in suites)


def debug(suites: Sequence[Mapping[str, Any]], python: Chosen, root: str, *, terminal: bool) -> int:
    """Runs the suite in the terminal, and returns the exit code of a run that proves nothing. SpecError, with the
    command to use in its place, where there is no terminal or there are several suites."""
    commands = [[python.path, "-m", "pytest", *suite["args"], *suite["paths"]] for suite in suites]
    if not terminal or len(suites) != 1:
        why = "there are several suites" if terminal else "it needs a terminal to itself"
        raise SpecError(
            f"{' and '.join(OPTIONS)} stop in a debugger, and {why}",
            fix=f"in {root}: {shlex.join(commands[0])}"
            + (f"; or name a --suite: {_names(suites)}" if terminal else ""),
        )
    print(f"debugger  {shlex.join(commands[0])}", flush=True)
    # Ctrl-C is for the debugger.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        environment = {**surroundings(python), **suites[0]["environment"]}
        code = subprocess.run(
            commands[0], cwd=root, env=environment, preexec_fn=lambda: signal.signal(signal.SIGINT, before)
        ).returncode
    finally:
        signal.signal(signal.SIGINT, before)
    print(f"no verdict: pytest ran by itself and ended with {code}; nothing is recorded", file=sys.stderr)
    return EXIT_INCONCLUSIVE


def _names(suites: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(suite["name"] for suite in suites)
