"""pytest, in the tested project's own interpreter. Its exit code, its JUnit report and what it printed must agree.

The report is written at the very end, so a run that was killed leaves none; what it printed then still tells which
cases had finished and which one was running.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from domain.cases import Attempt, CaseId, Status, SuiteReport
from domain.errors import SpecError
from toolchain.command import Command, Ran
from toolchain.reports import junit
from toolchain.runners import RunRequest

TOOL = "pytest"
# What the tested project's environment needs besides its own requirements.
REQUIREMENTS = ("pytest>=7",)

_EXIT = {
    2: "was interrupted",
    3: "broke down (internal error)",
    4: "refused its options or configuration",
    5: "collected no case",
}
_WORD = {
    "PASSED": Status.PASSED,
    "FAILED": Status.FAILED,
    "ERROR": Status.ERROR,
    "SKIPPED": Status.SKIPPED,
    "XFAIL": Status.XFAILED,
    "XPASS": Status.XPASSED,
}
_DONE = re.compile(rf"^(\S.*?::.+?) ({'|'.join(_WORD)})(?: \(.*\))?(?:\s+\[\s*\d+%\])?\s*$")
_COLLECTED = re.compile(r"^(?:collecting \.\.\. )?collected (\d+) items?(.*)$", re.MULTILINE)
_STOPPED = re.compile(r"^!{3,} (.*?) !{3,}$", re.MULTILINE)
_ARGV_LIMIT = 60_000
_PRINTED = 32 << 20


def command(request: RunRequest) -> Command:
    """Our options come last, so that neither the project's own nor the suite's can turn the report off."""
    suite, report = request.suite, request.out / "junit.xml"
    chosen = request.selection or suite.paths
    for path in chosen:
        if path.startswith("-"):
            raise SpecError(f"tests.suites.{suite.name}.paths: {path!r} is an option", fix="put options into args")
    files: dict[Path, str] = {}
    if sum(map(len, chosen)) > _ARGV_LIMIT:
        # One line an argument (pytest 8.2); a longer command line would be refused by the kernel.
        listing = request.out / "selection.txt"
        files[listing] = "".join(f"{path}\n" for path in chosen)
        chosen = (f"@{listing}",)
    ours = (
        "--verbosity=1",
        f"--rootdir={request.root}",
        "-o",
        f"cache_dir={request.out / 'cache'}",
        f"--junitxml={report}",
    )
    # xunit1 is the family with the file of each case.
    family = ("-o", "junit_family=xunit1", "-o", "junit_logging=all", "-o", "junit_log_passing_tests=false")
    return Command(
        argv=(str(request.interpreter or sys.executable), "-m", "pytest", *suite.args, *ours, *family, *chosen),
        cwd=request.root,
        environment=dict(suite.environment),
        timeout=request.timeout,
        report=report,
        files=files,
    )


def parse(ran: Ran, request: RunRequest) -> SuiteReport:
    """Every case that was read, and every reason not to believe that these are all."""
    suite = request.suite.name
    report = junit.read(ran.report or request.out / "junit.xml", suite)
    printed = _printed(ran.stdout)
    attempts = [_placed(attempt, request.root) for attempt in report.attempts]
    problems = list(_of_exit(ran, attempts))
    if not report.complete or report.problems:
        problems += report.problems or ("the report is cut off",)
        attempts += _recovered(printed, ran, suite, {attempt.case for attempt in attempts})
    if report.complete and not ran.timed_out:
        problems += _disagreements(report, printed)
    return SuiteReport(
        suite=suite,
        attempts=tuple(attempts),
        complete=report.complete and not ran.timed_out,
        problems=tuple(problems),
        seconds=ran.seconds,
    )


def _printed(path: Path) -> str:
    """The end of standard output, all of it unless it is huge."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _PRINTED))
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _of_exit(ran: Ran, attempts: list[Attempt]) -> Iterator[str]:
    bad = any(attempt.status.bad for attempt in attempts)
    if ran.timed_out:
        running = _running(_printed(ran.stdout))
        yield f"stopped at its time-out after {ran.seconds:.0f} s" + (
            f", while {running} was running" if running else ""
        )
    elif ran.exit_code is None or ran.exit_code < 0:
        yield f"pytest was killed by signal {-(ran.exit_code or 0)}"
    elif ran.exit_code == 1 and not bad:
        missing = "No module named pytest" in ran.tail()
        told = "pytest is not installed there; add it to tests.requirements" if missing else ran.tail(300)
        yield f"pytest says that cases failed (exit 1), but its report holds none: {told}"
    elif ran.exit_code in _EXIT:
        # A collection error is in the report as a case; it interrupts the run as well.
        # It complains about options on standard error, of all else on standard output.
        told = ran.tail(300) if ran.exit_code == 4 else _printed(ran.stdout).strip()[-300:] or ran.tail(300)
        yield f"pytest {_EXIT[ran.exit_code]} (exit {ran.exit_code})" + ("" if bad else f": {told}")
    elif ran.exit_code not in (0, 1):
        yield f"pytest ended with exit code {ran.exit_code}, which it does not define: {ran.tail(300)}"


def _disagreements(report: junit.Report, printed: str) -> Iterator[str]:
    read = len(report.attempts)
    if report.declared is None:
        yield "the report does not say how many cases it holds"
    elif not report.fewest <= report.declared <= report.most:
        yield f"the report claims {report.declared} cases and holds {read}"
    # With errors in collection nothing runs, and the errors are in the report.
    if (match := _COLLECTED.search(printed)) and " error" not in match[2]:
        selected = re.search(r"/ (\d+) selected", match[2])
        deselected = re.search(r"/ (\d+) deselected", match[2])
        expected = int(match[1]) - (int(deselected[1]) if deselected else 0)
        if (expected := int(selected[1]) if selected else expected) > read:
            yield f"pytest collected {expected} cases and reported {read}"
    if (stopped := _STOPPED.search(printed)) and " during collection" not in stopped[1]:
        yield f"pytest stopped early: {stopped[1]}"


def _running(printed: str) -> str:
    """The case whose name was printed last, without a word how it went."""
    last = printed.rstrip("\n").rpartition("\n")[2].strip()
    return last if "::" in last and not _DONE.match(last) else ""


def _recovered(printed: str, ran: Ran, suite: str, known: set[CaseId]) -> Iterator[Attempt]:
    """Cases that the report does not have and that were seen to finish, or to be running when pytest died."""
    for line in printed.splitlines():
        if match := _DONE.match(line):
            case = _case(match[1], suite)
            if case not in known:
                known.add(case)
                message = "" if match[2] == "PASSED" else "seen in the output; the report does not have it"
                yield Attempt(case=case, status=_WORD[match[2]], message=message)
    running = _running(printed)
    if running and not ran.timed_out and (case := _case(running, suite)) not in known:
        how = f"signal {-ran.exit_code}" if ran.exit_code and ran.exit_code < 0 else f"exit code {ran.exit_code}"
        yield Attempt(case=case, status=Status.CRASHED, message=f"pytest's process ended in this case ({how})")


def _case(node: str, suite: str) -> CaseId:
    file, *middle = node.split("[", 1)[0].split("::")
    parameters = node[len(node.split("[", 1)[0]) :]
    name = (middle.pop() if middle else "") + parameters
    return CaseId(suite=suite, file=file, classname="::".join(middle), name=name)


def _placed(attempt: Attempt, root: Path) -> Attempt:
    """The case under its node id. JUnit says `a.test_b.Class`, and the file in which an inherited case was written."""
    case = attempt.case
    file, classname = _place(case.classname, case.file, root)
    placed = case.model_copy(update={"file": file, "classname": classname})
    return attempt.model_copy(update={"case": placed})


@functools.lru_cache(maxsize=10_000)
def _place(dotted: str, file: str, root: Path) -> tuple[str, str]:
    parts = dotted.split(".") if dotted else []
    for count in range(len(parts), 0, -1):
        module = "/".join(parts[:count]) + ".py"
        if module == file or (root / module).is_file():
            return module, "::".join(parts[count:])
    return file, dotted
