"""Mocha, the one that the project depends on, with a reporter of ours: what is finished is on disk when it dies."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from domain.cases import SuiteReport
from toolchain.command import Command, Ran
from toolchain.runners import RunRequest
from toolchain.runners import _javascript as javascript
from toolchain.runners import _javascript_journal as journal

TOOL = "mocha"
DIVIDES = True
ENVIRONMENT = "node_modules"

_REPORTER = Path(__file__).with_name("_mocha_reporter.cjs")


def command(request: RunRequest) -> Command:
    """Mocha divides nothing by itself, so the reporter leaves the files of one shard. Our options come last."""
    suite, report = request.suite, request.out / "journal" / "main.jsonl"
    # Mocha splits the value of an option at commas.
    ours = [f"--reporter={_REPORTER}", f"--reporter-option=tes-journal={quote(str(report))}"]
    if request.shard:
        ours.append(f"--reporter-option=tes-shard={request.shard[0]}/{request.shard[1]}")
    ours += javascript.limit("--timeout", suite, "--exit")
    if name := javascript.pattern(request.selection):
        ours.append(f"--grep={name}")
    chosen = javascript.paths(suite, request.selection)
    return javascript.command(TOOL, request, report, (*suite.args, *ours, *chosen))


def parse(ran: Ran, request: RunRequest) -> SuiteReport:
    """Every case that was read, and every reason not to believe that these are all."""
    return javascript.report(TOOL, journal.read(ran.report, request.suite.name, ran), ran, request)
