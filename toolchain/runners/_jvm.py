"""What Maven and Gradle have in common: an XML report for each class in each module, and reruns spread over them.

A case's file is the folder of its module, since the report does not name the source. The same class and name twice in
one module is the same test run again (Surefire writes the rerun of a nested class into another file than its first
run): the failure came first, or it would not have been run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from domain.cases import Attempt, CaseId, SuiteReport
from toolchain.command import Ran
from toolchain.reports import junit
from toolchain.reports._junit_case import WHOLE_CLASS
from toolchain.reports.report import Names, Report
from toolchain.runners import RunRequest
from toolchain.runners._agreement import doubts
from toolchain.runners._reports import found, together

__all__ = ["WHOLE_CLASS", "read", "tests", "whole", "wrapper"]


def read(request: RunRequest, patterns: Sequence[str], output: str) -> Report:
    """All modules' reports of this run as one. `output` is the folder of a module's output."""
    paths, stale = found(request.root, patterns, request.out)

    def placed(attempt: Attempt, path: Path) -> Attempt:
        parts = path.relative_to(request.root).parts
        who = {"file": "/".join(parts[: parts.index(output)]) if output in parts else ""}
        if attempt.case.name == attempt.case.classname:
            who["name"] = WHOLE_CLASS  # as Surefire 2 says what version 3 leaves empty
        return attempt.model_copy(update={"case": attempt.case.model_copy(update=who)})

    # A report's own count leaves out what ran again; the totals that are printed are compared instead.
    report = together(paths, request.suite.name, _uncounted, placed, lambda _: Names())
    problems, notes = list(report.problems), list(report.notes)
    if not paths:
        problems.append("it left no report" + (f" ({stale} of an earlier run were not read)" if stale else ""))
    elif stale:
        notes.append(f"{stale} report(s) of an earlier run were not read")
    told = {"attempts": _in_order(report.attempts), "problems": tuple(problems), "notes": tuple(notes)}
    return report.model_copy(update=told)


def whole(
    tool: str,
    ran: Ran,
    request: RunRequest,
    report: Report,
    broken: Sequence[Attempt],
    printed: int,
    held: int,
    why: str,
) -> SuiteReport:
    """What was read, what did not compile and what died, with every reason not to believe that these are all.

    `printed` is the number of tests that the tool says it ran, `held` how many of them the reports hold. `why` is what
    it gives as the reason of a failure.
    """
    attempts = (*report.attempts, *broken)
    # Where it did not compile, no report was to be expected.
    problems = [] if broken and not report.attempts else list(report.problems)
    problems += doubts(ran, tool, attempts, why=why)
    if printed > held:
        problems.append(f"{tool} ran {printed} tests, and its reports hold {held}")
    return SuiteReport(
        suite=request.suite.name,
        attempts=attempts,
        complete=report.complete and bool(attempts) and not ran.timed_out,
        problems=tuple(problems),
        notes=report.notes,
        seconds=ran.seconds,
        unlisted=report.unlisted,
    )


def _uncounted(path: Path, suite: str, names: Names) -> Report:
    report = junit.read(path, suite, names=names)
    return report.model_copy(update={"declared": None})


def _in_order(attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
    """Attempts of one case numbered, the failed ones before those that passed."""
    cases: dict[CaseId, list[Attempt]] = {}
    for attempt in attempts:
        cases.setdefault(attempt.case, []).append(attempt)
    if len(cases) == len(attempts):
        return tuple(attempts)
    ordered: list[Attempt] = []
    for group in cases.values():
        if len(group) > 1:
            group.sort(key=lambda attempt: (not attempt.status.bad, attempt.number))
            group = [attempt.model_copy(update={"number": number}) for number, attempt in enumerate(group, 1)]
        ordered += group
    return tuple(ordered)


def tests(selection: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """The (class, method) of case ids, "" for a whole class; and the entries that are no case: modules or files.

    `core::shop.CartTest::many(int)[1]` → ("shop.CartTest", "many").
    """
    chosen: dict[tuple[str, str], None] = {}
    others: list[str] = []
    for entry in selection:
        parts = entry.split("::")
        if len(parts) == 1:
            if entry.endswith((".java", ".kt", ".groovy", ".scala")):
                chosen[(PurePosixPath(entry).stem, "")] = None
            else:
                others.append(entry)
            continue
        classname, method = (parts[-2], parts[-1]) if len(parts) > 1 else (parts[0], "")
        plain = method.partition("(")[0].partition("[")[0].partition("{")[0].strip()
        chosen[(classname, plain if plain.isidentifier() else "")] = None
    return list(chosen), others


def wrapper(root: Path, name: str, tool: str) -> str:
    """The project's own wrapper script when it has one, which pins the version; else the tool."""
    return str(root / name) if (root / name).is_file() else tool
