"""pytest, run by our own engine in the tested project's interpreter. The engine's journal, its last word and its exit
code must agree; what it was seen to finish counts even if it was killed.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from domain.cases import Attempt, Status, SuiteReport, final
from toolchain.command import Command, Ran
from toolchain.engine_argv import suite_argv
from toolchain.reports import journal
from toolchain.runners import RunRequest
from toolchain.runners._pytest_files import Collects, collects

TOOL = "pytest"
# What the tested project's environment needs besides its own requirements.
REQUIREMENTS = ("pytest>=7.4",)
# Failed cases are repeated by the engine itself, each attempt in the journal.
RETRIES = True
# Started again in the same folder, it goes on from its journal.
RESUMES = True
# It can be told what to leave to another shard.
LEAVES = True
# It takes a file of how often each case is run.
REPEATS = True

NO_PYTEST = 69
_NOT_BEGUN = {
    74: "could not write its journal",
    75: "was not started: another engine is at work in the same folder",
}
_EXIT = {
    2: "was interrupted",
    3: "broke down (internal error)",
    4: "refused its options or configuration",
    5: "collected no case",
}

__all__ = [
    "TOOL",
    "REQUIREMENTS",
    "RETRIES",
    "RESUMES",
    "LEAVES",
    "REPEATS",
    "Collects",
    "collects",
    "command",
    "parse",
]


def command(request: RunRequest) -> Command:
    """The engine's command: see `suite_argv`, which `tes test` composes it by, too."""
    suite = request.suite
    argv, files = suite_argv(
        suite.model_dump(),
        python=str(request.interpreter or sys.executable),
        root=request.root,
        out=request.out,
        cache=request.cache or request.out / "cache",
        selection=request.selection,
        leave=request.leave,
        workers=request.workers,
        durations=request.durations,
        repeat=request.repeat,
        coverage=request.coverage,
        impact=request.impact,
    )
    return Command(
        argv=tuple(argv),
        cwd=request.root,
        environment=dict(suite.environment),
        timeout=request.timeout,
        files={Path(path): text for path, text in files.items()},
    )


def parse(ran: Ran, request: RunRequest) -> SuiteReport:
    """Every attempt that was journalled, and every reason not to believe that these are all."""
    found = journal.read(request.out / "journal", request.suite.name)
    attempts = list(found.attempts)
    bad = [attempt for attempt in final(attempts).values() if attempt.status.bad]
    problems = [*_of_exit(ran, found, bad), *found.problems]
    ended = found.end is not None and not ran.timed_out and ran.exit_code is not None and ran.exit_code >= 0
    if ended:
        problems += _of_counts(found)
    else:
        attempts += _cut_short(ran, found, request.suite.name)
    return SuiteReport(
        suite=request.suite.name,
        attempts=tuple(attempts),
        complete=ended,
        problems=tuple(dict.fromkeys(problems)),
        notes=found.notes,
        seconds=ran.seconds,
        workers=int(found.session.get("workers", 1)),
        deselected=found.deselected,
    )


def _of_exit(ran: Ran, found: journal.Journal, bad: Sequence[Attempt]) -> Iterator[str]:
    running = f", while {' and '.join(found.running)} was running" if found.running else ""
    code = ran.exit_code
    if ran.timed_out:
        yield f"stopped at its time-out after {ran.seconds:.0f} s{running}"
    elif code is None or code < 0:
        yield f"pytest was killed by signal {-(code or 0)}{running}"
    elif code == NO_PYTEST:
        yield f"pytest is not installed there; add it to tests.requirements: {ran.tail(300)}"
    elif code in _NOT_BEGUN:
        yield f"pytest {_NOT_BEGUN[code]}: {_said(ran)}"
    elif found.end is None:
        yield f"pytest ended with exit code {code} before it could say how it went{running}: {ran.tail(300)}"
    elif code != found.end.get("exit"):
        yield f"pytest said that it ends with {found.end.get('exit')} and ended with {code}"
    elif code in _EXIT:
        # A collection error is among the cases; it interrupts the run as well.
        told = "" if bad or code == 5 else f": {_said(ran)}"
        yield f"pytest {_EXIT[code]} (exit {code}){told}"
    elif code == 1 and not bad:
        yield f"pytest says that cases failed (exit 1), and none did: {_said(ran)}"
    elif code not in (0, 1):
        yield f"pytest ended with exit code {code}, which it does not define: {_said(ran)}"


def _said(ran: Ran) -> str:
    return ran.tail(300) or "it printed nothing"


def _of_counts(found: journal.Journal) -> Iterator[str]:
    names = [str(a.case) for a in final(found.attempts).values() if a.case.name != "(collection)"]
    ran = len(names)
    if found.collected != ran:
        stopped = (found.end or {}).get("stopped")
        yield f"{found.collected} cases were collected and {ran} have a result" + (f": {stopped}" if stopped else "")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        yield f"{twice[0]} has two results"


def _cut_short(ran: Ran, found: journal.Journal, suite: str) -> Iterator[Attempt]:
    """Cases that ran when the engine itself died. At a time-out nobody can say that they would not have ended."""
    if ran.timed_out or ran.exit_code is None:
        return
    how = f"signal {-ran.exit_code}" if ran.exit_code < 0 else f"exit code {ran.exit_code}"
    for name in found.running:
        case = journal.case_of(name, suite)
        yield Attempt(case=case, status=Status.CRASHED, message=f"pytest's process ended in this case ({how})")
