"""Maven: `mvn test` over all modules, read from what Surefire and Failsafe leave for each class.

The totals that Maven prints must be in the reports. A module that does not compile is a case of its own. Sharded by
classes: a selection becomes `-Dtest=`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from domain.cases import Attempt, CaseId, Status, SuiteReport, final
from toolchain.command import Command, Ran
from toolchain.runners import RunRequest
from toolchain.runners._agreement import no_options, printed
from toolchain.runners._jvm import read, tests, whole, wrapper
from toolchain.runners._reports import mark

TOOL = "mvn"
ENVIRONMENT = ""
BUILD = "(build)"
PATTERNS = ("**/target/surefire-reports/TEST-*.xml", "**/target/failsafe-reports/TEST-*.xml")
# The total of a module: that of a class has its time behind it.
_TOTAL = re.compile(
    r"^(?:\[\w+\] +)?Tests run: (\d+), Failures: (\d+), Errors: (\d+), Skipped: (\d+)(?:, Flakes: \d+)?\s*$",
    re.MULTILINE,
)
_COMPILE = re.compile(r"Failed to execute goal \S*compiler\S* \([^)]*\) on project ([^:\s]+)")


def command(request: RunRequest) -> Command:
    """`--fail-at-end`: one failed module does not hide the next. A goal in `args` takes the place of `test`."""
    suite = request.suite
    no_options(suite, request.selection or suite.paths)
    chosen, modules = tests(request.selection or suite.paths)
    methods: dict[str, list[str]] = {}
    for classname, method in chosen:
        methods.setdefault(classname, []).append(method)
    names = [name if "" in found else f"{name}#{'+'.join(found)}" for name, found in methods.items()]
    ours = ("--batch-mode", "--no-transfer-progress", "--fail-at-end", "-Dstyle.color=never")
    only = (f"-Dtest={','.join(names)}", "-Dsurefire.failIfNoSpecifiedTests=false") if names else ()
    projects = (f"--projects={','.join(modules)}", "--also-make") if modules else ()
    goal = () if any(not word.startswith("-") for word in suite.args) else ("test",)
    return Command(
        argv=(wrapper(request.root, "mvnw", TOOL), *ours, *projects, *only, *suite.args, *goal),
        cwd=request.root,
        environment=dict(suite.environment),
        timeout=request.timeout,
        files={mark(request.out): "a report that is older than this file is of an earlier run\n"},
    )


def parse(ran: Ran, request: RunRequest) -> SuiteReport:
    """Every case of every module, with all attempts."""
    report = read(request, PATTERNS, "target")
    text = printed(ran.stdout)
    broken = list(_not_compiled(text, request.suite.name))
    total = sum(int(found[0]) for found in _TOTAL.findall(text))
    held = len(final(report.attempts)) + sum(report.unlisted.values())
    return whole(TOOL, ran, request, report, broken, total, held)


def _not_compiled(text: str, suite: str) -> Iterator[Attempt]:
    for module in dict.fromkeys(_COMPILE.findall(text)):
        errors = [line for line in text.splitlines() if line.startswith("[ERROR] /")]
        case = CaseId(suite=suite, file=module, name=BUILD)
        message = errors[0].removeprefix("[ERROR] ") if errors else f"{module} does not compile"
        yield Attempt(case=case, status=Status.ERROR, message=message, output="\n".join(errors)[:16_000])
