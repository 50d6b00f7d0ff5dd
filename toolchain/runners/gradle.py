"""Gradle: its `test` tasks in all projects, read from the XML that each leaves for each class.

Gradle does not run what it thinks is up to date, and leaves the reports of an earlier run; an init script of ours makes
every test task run, write XML, tell what it begins and ends, and not fail where a selection matches nothing. Sharded by
classes: a selection becomes `--tests`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from domain.cases import Attempt, CaseId, Status, SuiteReport
from toolchain.command import Command, Ran
from toolchain.runners import RunRequest
from toolchain.runners._agreement import no_options, printed
from toolchain.runners._gradle_events import EVENTS, Events, init_script, module_of
from toolchain.runners._jvm import read, tests, whole, wrapper
from toolchain.runners._reports import mark

TOOL = "gradle"
ENVIRONMENT = ""
BUILD = "(build)"
PATTERNS = ("**/build/test-results/**/TEST-*.xml",)
# Its configuration cache would keep the listeners of an earlier run. Older versions take it for any other property.
_UNCACHED = ("-Dorg.gradle.configuration-cache=false",)
_COMPILE = re.compile(r"Execution failed for task '(:\S*?compile\w*)'")
_WRONG = re.compile(r"^\* What went wrong:\n((?:.+\n)+)", re.MULTILINE)
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
            *("--no-build-cache", *_UNCACHED, f"--init-script={init}", *(() if own else tasks), *suite.args, *only),
        ),
        cwd=request.root,
        environment=dict(suite.environment),
        timeout=request.timeout,
        report=request.out / EVENTS,
        files={
            init: init_script(request.out),
            mark(request.out): "a report that is older than this file is of an earlier run\n",
        },
    )


def parse(ran: Ran, request: RunRequest) -> SuiteReport:
    """Every case of every project; reruns of its retry plugin are attempts."""
    report = read(request, PATTERNS, "build")
    said = f"{printed(ran.stdout)}\n{printed(ran.stderr)}"
    events = Events(ran.report)
    broken = list(_not_compiled(said, request))
    if not ran.timed_out:
        broken += events.crashed(request.suite.name)
        if unfinished := tuple(events.problems()):
            update = {"complete": False, "problems": (*report.problems, *unfinished)}
            report = report.model_copy(update=update)
    completed = max(events.ended, sum(int(found[0]) for found in _COMPLETED.findall(said)))
    held = len(report.attempts) + sum(report.unlisted.values())
    return whole(TOOL, ran, request, report, broken, completed, held, _why(said))


def _not_compiled(said: str, request: RunRequest) -> Iterator[Attempt]:
    for task in dict.fromkeys(_COMPILE.findall(said)):
        case = CaseId(suite=request.suite.name, file=module_of(task), name=BUILD)
        # Compilers name the files that they complain of, and every module's are in one output.
        own = re.compile(rf"^(?:[ew]: (?:file://)?)?{re.escape(str(request.root / case.file))}/(.*)", re.MULTILINE)
        found = own.search(said)
        at = found.start() if found else max(0, said.find("error:") - 300)
        message = f"{task}: {found[1]}" if found else f"{task} failed"
        yield Attempt(case=case, status=Status.ERROR, message=message, output=said[at:][:16_000])


def _why(said: str) -> str:
    found = _WRONG.search(said)
    return " ".join(found[1].split()) if found else ""
