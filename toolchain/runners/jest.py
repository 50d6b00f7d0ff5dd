"""Jest, the one that the project depends on. Its JSON report goes to a file, where no test's output can get into it."""

from __future__ import annotations

from domain.cases import Status, SuiteReport
from toolchain.command import Command, Ran
from toolchain.runners import RunRequest
from toolchain.runners import _javascript as javascript
from toolchain.runners import _javascript_json as json_report

TOOL = "jest"
DIVIDES = True
ENVIRONMENT = "node_modules"

_STATUS = {**json_report.STATUS, "pending": Status.SKIPPED, "disabled": Status.SKIPPED}


def command(request: RunRequest) -> Command:
    """Paths go in as expressions that match just them: Jest takes every path for one. Our options come last."""
    suite, report = request.suite, request.out / "report.json"
    ours = ["--ci", "--json", f"--outputFile={report}", *javascript.limit("--testTimeout", suite, "--forceExit")]
    ours += json_report.options(request)
    root = request.root.resolve()
    chosen = (f"^{javascript.escaped(str(root / p))}(/|$)" for p in javascript.paths(suite, request.selection))
    return javascript.command(TOOL, request, report, (*suite.args, *ours, *chosen))


def parse(ran: Ran, request: RunRequest) -> SuiteReport:
    """Every case that was read, and every reason not to believe that these are all."""
    read, results = json_report.read(TOOL, _STATUS, ran, request)
    if results is not None and (missing := results.numTotalTestSuites - len(results.testResults)) > 0:
        read = read.model_copy(update={"problems": (*read.problems, f"{missing} file(s) are not in the report")})
    return javascript.report(TOOL, read, ran, request)
