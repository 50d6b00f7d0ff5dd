"""Any command that writes a report: JUnit XML, TAP or pytest's JSON, told apart by what is in the file.

`suite.command` is the argv, `suite.report` the glob of what it writes, from the project's root; `-` is its standard
output. It cannot select cases: a selection is not passed on, so that a shard or a retry runs all of it.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from domain.cases import Attempt, SuiteReport
from domain.errors import SpecError
from toolchain.command import Command, Ran
from toolchain.runners import RunRequest
from toolchain.runners._agreement import doubts
from toolchain.runners._reports import found, mark, together

TOOL = "command"
ENVIRONMENT = ""
STDOUT = "-"
# What a tool says when cases failed is its own affair: any exit code that is not 0 has to fit a failure in the report.
_FAILING = tuple(range(1, 126))


def command(request: RunRequest) -> Command:
    """The suite's own argv. SpecError when it or its report is not said, or the glob leaves the project."""
    suite = request.suite
    where = f"tests.suites.{suite.name}"
    if suite.command is None:
        raise SpecError(f"{where}: framework command needs a command", fix="add command: [make, test]")
    if suite.report is None:
        raise SpecError(f"{where}: framework command needs a report", fix="add report: build/reports/*.xml, or -")
    pattern = PurePosixPath(suite.report)
    if pattern.is_absolute() or ".." in pattern.parts:
        raise SpecError(f"{where}.report: {suite.report!r} is outside of the project", fix="start at the root")
    return Command(
        argv=(*suite.command, *suite.args),
        cwd=request.root,
        environment=dict(suite.environment),
        timeout=request.timeout,
        files={mark(request.out): "a report that is older than this file is of an earlier run\n"},
    )


def parse(ran: Ran, request: RunRequest) -> SuiteReport:
    """Every case of every report that this run wrote."""
    suite = request.suite
    pattern = suite.report or ""
    paths, stale = ([ran.stdout], 0) if pattern == STDOUT else found(request.root, (pattern,), request.out)
    report = together(paths, suite.name, placed=lambda attempt, _: _placed(attempt, request.root))
    problems = list(report.problems)
    notes = list(report.notes)
    if not paths:
        problems.append(
            f"it left no report {pattern}" + (f" ({stale} of an earlier run were not read)" if stale else "")
        )
    elif stale:
        notes.append(f"{stale} report(s) of an earlier run were not read")
    if pattern == STDOUT and ran.truncated:
        problems.append("its standard output was cut off")
    if request.selection:
        notes.append("a command cannot select cases: it ran all of them")
    problems += doubts(ran, PurePosixPath(suite.command[0]).name if suite.command else TOOL, report.attempts, _FAILING)
    return SuiteReport(
        suite=suite.name,
        attempts=report.attempts,
        complete=report.complete and bool(paths) and not ran.timed_out,
        problems=tuple(problems),
        notes=tuple(notes),
        seconds=ran.seconds,
        unlisted=report.unlisted,
    )


def _placed(attempt: Attempt, root: Path) -> Attempt:
    """A file within the project by its path from the root: an absolute one would differ on every machine."""
    file = attempt.case.file
    prefix = f"{root.as_posix()}/"
    if not file.startswith(prefix):
        return attempt
    return attempt.model_copy(update={"case": attempt.case.model_copy(update={"file": file[len(prefix) :]})})
