"""Vitest, the one that the project depends on. Its JSON says `success` when a worker died: every case must end."""

from __future__ import annotations

from domain.cases import Status, SuiteReport
from toolchain.command import Command, Ran
from toolchain.runners import RunRequest
from toolchain.runners import _javascript as javascript
from toolchain.runners import _javascript_json as json_report

TOOL = "vitest"
DIVIDES = True
ENVIRONMENT = "node_modules"

# Queued or running when the report was written, hence never ended. Jest means "skipped" by the same word.
_STATUS = {**json_report.STATUS, "pending": Status.CRASHED}


def command(request: RunRequest) -> Command:
    """An `.only` is allowed and told in a note: in CI Vitest takes it for an error. Our options come last."""
    suite, report = request.suite, request.out / "report.json"
    ours = ["--allowOnly", "--reporter=default", "--reporter=json", f"--outputFile.json={report}"]
    ours += [*javascript.limit("--testTimeout", suite), *json_report.options(request)]
    chosen = javascript.paths(suite, request.selection)
    return javascript.command(TOOL, request, report, ("run", *suite.args, *ours, *chosen))


def parse(ran: Ran, request: RunRequest) -> SuiteReport:
    """Every case that was read, and every reason not to believe that these are all."""
    read, _ = json_report.read(TOOL, _STATUS, ran, request)
    return javascript.report(TOOL, read, ran, request)
