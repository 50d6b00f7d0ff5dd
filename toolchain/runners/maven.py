"""Maven: `mvn test` over all modules, read from what Surefire and Failsafe leave for each class.

The totals that Maven prints must be in the reports, and it must have come to its end: a test that exits with 0 within
Maven's own process (`forkCount=0`) ends it as if all were well. A module that does not compile is a case of its own,
and so is a class whose process died. Sharded by classes: a selection becomes `-Dtest=`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from domain.cases import Attempt, CaseId, Status, SuiteReport, final
from toolchain.command import Command, Ran
from toolchain.runners import RunRequest
from toolchain.runners._agreement import no_options, printed
from toolchain.runners._jvm import WHOLE_CLASS, read, tests, whole, wrapper
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
_QUIET = {"-q", "--quiet"}
_SUCCESS = re.compile(r"^(?:\[INFO\] )?BUILD SUCCESS\s*$", re.MULTILINE)
_GOAL = re.compile(r"^\[ERROR\] Failed to execute goal (.*)$", re.MULTILINE)
_PROJECT = re.compile(r"\S+ \([^)]*\) on project ([^:\s]+)")
_DIED = re.compile(r"^\[ERROR\] Crashed tests:\s*\n((?:\[ERROR\] [\w.$]+\s*\n)+)", re.MULTILINE)
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
    broken = [*_not_compiled(text, request.suite.name), *_died(text, request.suite.name)]
    if ran.exit_code == 0 and not _SUCCESS.search(text) and not _QUIET & set(request.suite.args):
        report = report.model_copy(
            update={"complete": False, "problems": (*report.problems, "mvn ended with 0 and without BUILD SUCCESS")}
        )
    total = sum(int(found[0]) for found in _TOTAL.findall(text))
    held = len(final(report.attempts)) + sum(report.unlisted.values())
    return whole(TOOL, ran, request, report, broken, total, held, _why(text))


def _not_compiled(text: str, suite: str) -> Iterator[Attempt]:
    for module in dict.fromkeys(_COMPILE.findall(text)):
        errors = [line for line in text.splitlines() if line.startswith("[ERROR] /")]
        case = CaseId(suite=suite, file=module, name=BUILD)
        message = errors[0].removeprefix("[ERROR] ") if errors else f"{module} does not compile"
        yield Attempt(case=case, status=Status.ERROR, message=message, output="\n".join(errors)[:16_000])


def _died(text: str, suite: str) -> Iterator[Attempt]:
    """The classes that Surefire names when the process in which they ran is gone."""
    goals = list(_GOAL.finditer(text))
    ends = [goal.start() for goal in goals[1:]] + [len(text)]
    for goal, end in zip(goals, ends, strict=False):
        module = _PROJECT.match(goal[1])
        names = (name for block in _DIED.findall(text, goal.end(), end) for name in block.split("[ERROR] "))
        for name in dict.fromkeys(name.strip() for name in names if name.strip()):
            case = CaseId(suite=suite, file=module[1] if module else "", classname=name, name=WHOLE_CLASS)
            message = "its process ended without a word: a crash, or System.exit()"
            yield Attempt(case=case, status=Status.CRASHED, message=message, output=text[goal.start() : end][:4_000])


def _why(text: str) -> str:
    """Its first error: the last ones are advice."""
    lines = (line.removeprefix("[ERROR]").strip() for line in text.splitlines() if line.startswith("[ERROR]"))
    return next((line for line in lines if line), "")
