"""Node's own test runner, with a reporter of ours: Node's JUnit shows a file whose process exits 0 as a passed case."""

from __future__ import annotations

from pathlib import Path

from domain.cases import SuiteReport
from toolchain.command import Command, Ran
from toolchain.runners import RunRequest
from toolchain.runners import _javascript as javascript
from toolchain.runners import _javascript_journal as journal

TOOL = "node"
DIVIDES = True
ENVIRONMENT = "node_modules"

_REPORTER = Path(__file__).with_name("_node_reporter.cjs")


def command(request: RunRequest) -> Command:
    """Cases are chosen by file: before version 22 a name pattern matches each title for itself, not the whole name."""
    suite, report = request.suite, request.out / "journal" / "main.jsonl"
    ours = [f"--test-reporter={_REPORTER}", f"--test-reporter-destination={report}"]
    ours += ["--test-reporter=spec", "--test-reporter-destination=stdout"]
    if request.shard:
        ours.append(f"--test-shard={request.shard[0]}/{request.shard[1]}")
    if suite.workers:
        ours.append(f"--test-concurrency={suite.workers}")
    chosen = javascript.paths(suite, request.selection)
    return javascript.command(TOOL, request, report, ("--test", *suite.args, *ours, *chosen))


def parse(ran: Ran, request: RunRequest) -> SuiteReport:
    """Every case that was read, and every reason not to believe that these are all."""
    read = journal.read(ran.report, request.suite.name, ran)
    problems, notes = list(read.problems), list(read.notes)
    for file in read.empty:
        # Node runs every file in a folder named test. Of one that has cases, none would be told if it called exit(0).
        if _has_cases(request.root / file):
            problems.append(f"{file} asks for node:test and reported no case: did it call process.exit()?")
        else:
            notes.append(f"{file} holds no case")
    read = read.model_copy(update={"problems": tuple(problems), "notes": tuple(notes)})
    return javascript.report(TOOL, read, ran, request)


def _has_cases(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return b"node:test" in file.read(1 << 20)
    except OSError:
        return True
