"""`go test -json`: each package's events, and what Go says only in plain text (a build that failed, in older versions).

A test that was started and has no end died with its package. A package that fails without a failing test is a case of
its own: its build, its TestMain, a panic outside of a test. Results from Go's own cache are shown as reused. Sharded by
packages: a selection is of packages, or of tests, whose packages are run with `-run`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from domain.cases import Attempt, CaseId, Status, SuiteReport
from toolchain.command import Command, Ran
from toolchain.reports.report import Kept, Names, Text
from toolchain.runners import RunRequest
from toolchain.runners._agreement import doubts, no_options, printed

TOOL = "go"
ENVIRONMENT = ""
BUILD, PACKAGE = "(build)", "(package)"
_END = {"pass": Status.PASSED, "fail": Status.FAILED, "skip": Status.SKIPPED}
_BROKEN = re.compile(r"FAIL\t(\S+)(?: \[\S+\])? \[(build|setup) failed\]")
_FRAMING = re.compile(r"\s*(=== (RUN|PAUSE|CONT|NAME)|--- (PASS|FAIL|SKIP):)")


def command(request: RunRequest) -> Command:
    """Go stops a package a little before we would, so that its stack dump is in the report. `args` come last: after
    `-args` everything belongs to the test binary."""
    suite = request.suite
    no_options(suite, request.selection or suite.paths)
    packages, run = _chosen(request.selection or suite.paths)
    workers = (f"-p={count}",) if (count := request.workers or suite.workers) else ()
    patience = f"-timeout={max(1.0, request.timeout * 0.95):.0f}s"
    return Command(
        argv=(TOOL, "test", "-json", patience, *workers, *run, *packages, *suite.args),
        cwd=request.root,
        environment=dict(suite.environment),
        timeout=request.timeout,
    )


def _chosen(chosen: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The packages, and `-run` when all that is chosen are tests."""
    packages: dict[str, None] = {}
    tests: dict[str, None] = {}
    whole = not chosen
    for entry in chosen:
        place, _, test = entry.partition("::")
        if place.endswith(".go"):
            place = PurePosixPath(place).parent.as_posix()
            place = "." if place == "." else f"./{place}"
        elif not test and not place.startswith(".") and "." not in place.partition("/")[0]:
            place = f"./{place.rstrip('/')}/..."  # a folder; the first part of an import path has a dot
        packages[place] = None
        if test and not test.startswith("("):
            tests[re.escape(test.partition("/")[0])] = None  # with its subtests; those of -run apply to all packages
        else:
            whole = True
    run = () if whole else (f"-run=^({'|'.join(tests)})$",)
    return tuple(packages) or ("./...",), run


def parse(ran: Ran, request: RunRequest) -> SuiteReport:
    """Every test and subtest of every package."""
    reader = _Reader(request.suite.name)
    for line in _lines(ran.stdout):
        reader.line(line)
    reader.end(printed(ran.stderr, 1 << 20))
    attempts = reader.kept.attempts
    problems = [*reader.problems, *doubts(ran, "go test", attempts, (1, 2))]
    if ran.truncated:
        problems.append("its output was cut off")
    return SuiteReport(
        suite=request.suite.name,
        attempts=tuple(attempts),
        complete=not (reader.problems or ran.truncated or ran.timed_out),
        problems=tuple(problems),
        notes=tuple(reader.notes),
        seconds=ran.seconds,
        unlisted=dict(reader.kept.unlisted),
    )


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from file
    except FileNotFoundError:
        return


class _Package:
    def __init__(self) -> None:
        self.running: dict[str, Text] = {}
        self.done: list[Attempt] = []
        self.text = Text()
        self.cached = self.ended = self.untested = False
        self.broken = ""


class _Reader:
    def __init__(self, suite: str) -> None:
        self.suite = suite
        self.kept, self.names = Kept(), Names()
        self.packages: dict[str, _Package] = {}
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.build: dict[str, Text] = {}

    def line(self, line: bytes) -> None:
        if not line.endswith(b"\n"):
            self.problems.append("its output ends in the middle of a line")
            return
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            event = None
        if isinstance(event, dict) and "Action" in event:
            self._event(event)
        elif found := _BROKEN.match(line.decode("utf-8", "replace")):
            package = self.packages.setdefault(found[1], _Package())
            package.broken = found[2]
            self._close(found[1], package, "fail")

    def _event(self, event: dict[str, Any]) -> None:
        action, test = str(event["Action"]), event.get("Test")
        if action == "build-output":
            name = str(event.get("ImportPath", "")).partition(" ")[0]
            self.build.setdefault(name, Text()).add(str(event.get("Output", "")))
            return
        if not event.get("Package"):
            return
        name = str(event["Package"])
        package = self.packages.setdefault(name, _Package())
        if test is None:
            self._of_package(name, package, action, event)
        elif action == "run":
            package.running[test] = Text()
        elif action == "output":
            output = str(event.get("Output", ""))
            if not _FRAMING.match(output):
                package.running.setdefault(test, Text()).add(output)
        elif action in _END:
            text = package.running.pop(test, None)
            package.done.append(self._attempt(name, test, _END[action], text, event))

    def _of_package(self, name: str, package: _Package, action: str, event: dict[str, Any]) -> None:
        if action == "output":
            output = str(event.get("Output", ""))
            package.text.add(output)
            package.cached = package.cached or output.startswith("ok") and "(cached)" in output
            package.untested = package.untested or "[no test files]" in output
            if found := _BROKEN.match(output):
                package.broken = found[2]
        elif action in _END:
            self._close(name, package, action)

    def _attempt(
        self, package: str, test: str, status: Status, text: Text | None, event: dict[str, Any] | None = None
    ) -> Attempt:
        output = str(text).strip("\n") if text is not None and status is not Status.PASSED else ""
        elapsed = (event or {}).get("Elapsed", 0.0)
        seconds = float(elapsed) if isinstance(elapsed, int | float) and elapsed >= 0 else 0.0
        case = CaseId(suite=self.suite, classname=package, name=test)
        return Attempt(
            case=case,
            status=status,
            seconds=seconds,
            started=max(0.0, _moment((event or {}).get("Time")) - seconds),
            message=next((line.strip() for line in output.splitlines() if line.strip()), ""),
            output=output,
        )

    def _close(self, name: str, package: _Package, action: str) -> None:
        """The package has ended: what it still runs died with it."""
        if package.ended:
            return
        package.ended = True
        for test, text in package.running.items():
            package.done.append(self._attempt(name, test, Status.CRASHED, text))
        package.running.clear()
        if action == "fail" and not any(attempt.status.bad for attempt in package.done):
            text = self.build.get(name) or package.text
            package.done.append(self._attempt(name, BUILD if package.broken else PACKAGE, Status.ERROR, text))
        if package.untested and not package.done:
            self.notes.append(f"{name} has no test files")
        elif action == "pass" and not package.done:
            if "PASS" in str(package.text):
                self.notes.append(f"{name} ran no test")
            else:  # Go prints it before it ends with 0; a TestMain that does os.Exit(0) does not
                self.problems.append(f"{name} ended with 0 before it ran a test: does its TestMain call os.Exit(0)?")
        if package.broken and name not in self.build:
            return  # why is on standard error, which is read at the end
        for attempt in package.done:
            self._keep(attempt, package.cached)
        package.done = []

    def _keep(self, attempt: Attempt, cached: bool) -> None:
        case = self.names.apart(attempt.case)
        self.kept.add(attempt.model_copy(update={"case": case, "reused": cached}))

    def end(self, stderr: str) -> None:
        """After the last line. What older versions say of a broken build is on standard error, under `# package`."""
        for name, package in self.packages.items():
            if not package.ended:
                self.problems.append(f"{name} has no result")
                self._close(name, package, "unknown")
            for attempt in package.done:
                said = "\n".join(_section(stderr, name)) or attempt.output or f"its {package.broken} failed"
                message = said.partition("\n")[0]
                self._keep(attempt.model_copy(update={"message": message, "output": said}), False)


def _section(stderr: str, package: str) -> Iterator[str]:
    inside = False
    for line in stderr.splitlines():
        if line.startswith("# "):
            inside = line[2:].split(" ")[0] == package
        elif inside:
            yield line


def _moment(text: Any) -> float:
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", str(text))).timestamp()
    except ValueError:
        return 0.0
