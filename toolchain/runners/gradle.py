"""Gradle: its `test` tasks in all projects, read from the XML that each leaves for each class.

Gradle does not run what it thinks is up to date, and leaves the reports of an earlier run; an init script of ours makes
every test task run, write XML and not fail where a selection matches nothing. Sharded by classes: a selection becomes
`--tests`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from domain.cases import Attempt, CaseId, Status, SuiteReport
from toolchain.command import Command, Ran
from toolchain.runners import RunRequest
from toolchain.runners._agreement import no_options, printed
from toolchain.runners._jvm import read, tests, whole, wrapper
from toolchain.runners._reports import mark

TOOL = "gradle"
ENVIRONMENT = ""
BUILD = "(build)"
PATTERNS = ("**/build/test-results/**/TEST-*.xml",)
INIT = """\
allprojects {
    tasks.withType(Test).configureEach {
        outputs.upToDateWhen { false }
        outputs.cacheIf { false }
        reports.junitXml.required = true
        filter.failOnNoMatchingTests = false
    }
}
"""
_COMPILE = re.compile(r"Execution failed for task '(:\S*?compile\w*)'")
_COMPLETED = re.compile(r"^(\d+) tests? completed(?:, (\d+) failed)?", re.MULTILINE)


def command(request: RunRequest) -> Command:
    """`--continue`: one project's failure does not hide those of the next. Paths are projects, `:core`."""
    suite = request.suite
    no_options(suite, request.selection or suite.paths)
    chosen, projects = tests(request.selection or suite.paths)
    init = request.out / "tes.init.gradle"
    only = tuple(
        part for name, method in chosen for part in ("--tests", ".".join(word for word in (name, method) if word))
    )
    tasks = tuple(f"{project.rstrip(':')}:test" for project in projects) or ("test",)
    own = any(not word.startswith("-") for word in suite.args)
    return Command(
        argv=(
            *(wrapper(request.root, "gradlew", TOOL), "--no-daemon", "--console=plain", "--continue"),
            *("--no-build-cache", f"--init-script={init}", *(() if own else tasks), *suite.args, *only),
        ),
        cwd=request.root,
        environment=dict(suite.environment),
        timeout=request.timeout,
        files={init: INIT, mark(request.out): "a report that is older than this file is of an earlier run\n"},
    )


def parse(ran: Ran, request: RunRequest) -> SuiteReport:
    """Every case of every project; reruns of its retry plugin are attempts."""
    report = read(request, PATTERNS, "build")
    said = f"{printed(ran.stdout)}\n{printed(ran.stderr)}"
    broken = list(_not_compiled(said, request.suite.name))
    completed = sum(int(found[0]) for found in _COMPLETED.findall(said))
    held = len(report.attempts) + sum(report.unlisted.values())
    return whole(TOOL, ran, request, report, broken, completed, held)


def _not_compiled(said: str, suite: str) -> Iterator[Attempt]:
    for task in dict.fromkeys(_COMPILE.findall(said)):
        at = said.find("error:")
        case = CaseId(suite=suite, file=task.rpartition(":")[0].strip(":").replace(":", "/"), name=BUILD)
        output = said[max(0, at - 300) :][:16_000]
        yield Attempt(case=case, status=Status.ERROR, message=f"{task} failed", output=output)
