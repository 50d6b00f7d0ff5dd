"""How a run ended and what its report holds have to agree: every reason why they do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from domain.cases import Attempt, final
from domain.errors import SpecError
from domain.spec import Suite
from toolchain.command import Ran

PRINTED = 64 << 20
"""Bytes of standard output that a runner reads: as many as are kept."""


def doubts(
    ran: Ran, tool: str, attempts: Sequence[Attempt], failing: Sequence[int] = (1,), why: str = ""
) -> Iterator[str]:
    """Reasons not to believe a run, by its end. `failing` are the exit codes that mean that cases failed.

    `why` is what the tool itself gives as the reason; else it is the end of what it printed.
    """
    why = f": {text}" if (text := why[:300] or ran.tail(300)) else ""
    # What failed and then passed, because the tool ran it again, is no failure to the tool.
    bad = sum(attempt.status.bad for attempt in final(attempts).values())
    if ran.timed_out:
        yield f"stopped at its time-out after {ran.seconds:.0f} s"
    elif ran.exit_code is None or ran.exit_code < 0:
        yield f"{tool} was killed by signal {-(ran.exit_code or 0)}{why}"
    elif ran.exit_code in failing and not bad:
        yield f"{tool} says that something failed (exit {ran.exit_code}), but its report shows no failure{why}"
    elif ran.exit_code != 0 and ran.exit_code not in failing:
        yield f"{tool} ended with exit code {ran.exit_code}{why}"
    elif ran.exit_code == 0 and bad:
        yield f"{tool} says that all is well (exit 0), but its report shows {bad} failure(s)"
    if not attempts:
        yield "no case was run"


def printed(path: Path, limit: int = PRINTED) -> str:
    """A log as text, its end when it is huge, "" when it is not there."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - limit))
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def no_options(suite: Suite, chosen: Sequence[str]) -> None:
    """SpecError when a path is an option: it would change what the tool does."""
    for path in chosen:
        if path.startswith("-"):
            raise SpecError(f"tests.suites.{suite.name}.paths: {path!r} is an option", fix="put options into args")
