"""Several reports of one run, read as one; those of an earlier run are never among them.

`command` writes a mark before the tool starts (a file of the `Command`); a report that is older than the mark is stale.
Nothing is deleted: a glob may match what is not ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from domain.cases import Attempt
from toolchain.reports import junit, pytest_json, tap
from toolchain.reports.report import Kept, Names, Report, Summary

MAX_FILES = 20_000
_SNIFFED = 4096
Reader = Callable[[Path, str, Names], Report]


def mark(out: Path) -> Path:
    """The file that is written just before the tool is started."""
    return out / "started"


def found(root: Path, patterns: Sequence[str], out: Path) -> tuple[list[Path], int]:
    """The reports that were written since the mark, sorted, and the number of stale ones."""
    try:
        began = mark(out).stat().st_mtime_ns
    except FileNotFoundError:
        began = 0
    fresh: set[Path] = set()
    stale = 0
    for pattern in patterns:
        for path in root.glob(pattern):
            if path.is_file() and path not in fresh:
                if path.stat().st_mtime_ns >= began:
                    fresh.add(path)
                else:
                    stale += 1
    return sorted(fresh), stale


def by_content(path: Path, suite: str, names: Names) -> Report:
    """The report in whatever format its first bytes tell: JUnit XML, pytest's JSON or TAP."""
    try:
        with path.open("rb") as file:
            head = file.read(_SNIFFED)
    except OSError as error:
        return Report(complete=False, problems=(f"the report {path.name} cannot be read: {error.strerror}",))
    plain = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if plain.startswith(b"<"):
        return junit.read(path, suite, names=names)
    if plain.startswith(b"{"):
        return pytest_json.read(path, suite, names=names)
    if not plain:
        return Report(complete=False, problems=(f"the report {path.name} is empty",))
    return tap.read(path, suite, names=names)


def together(
    paths: Sequence[Path],
    suite: str,
    read: Reader = by_content,
    placed: Callable[[Attempt, Path], Attempt] | None = None,
    names: Callable[[Path], Names] | None = None,
) -> Report:
    """All of them as one report: complete when each is, with every doubt. `placed` corrects who a case is."""
    kept, shared = Kept(), Names()
    problems: list[str] = []
    notes: list[str] = []
    bad, complete = 0, True
    for path in paths[:MAX_FILES]:
        report = read(path, suite, names(path) if names else shared)
        for attempt in report.attempts:
            kept.add(placed(attempt, path) if placed else attempt)
        kept.unlisted.update(report.unlisted)
        problems += report.doubts()
        notes += report.notes
        bad += report.bad
        complete = complete and report.complete
    if len(paths) > MAX_FILES:
        problems.append(f"there are {len(paths)} reports; more than {MAX_FILES} are not read")
    if len(problems) > 20:
        problems[20:] = [f"and {len(problems) - 20} more reasons"]
    summary = Summary(bad=bad, complete=complete, problems=tuple(problems), notes=tuple(dict.fromkeys(notes))[:20])
    return kept.report(summary)
