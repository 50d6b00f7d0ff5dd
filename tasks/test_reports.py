"""What is written of a test run: the front door for flows and for `tes test`. Imports neither Prefect nor the records.

A report that could not be written is not the verdict: OSError is raised, and whoever calls decides.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from domain.cases import CaseId, SuiteReport, judge
from domain.tally import tally
from domain.trend import TrendPoint
from domain.verdict import Evidence, Verdict

if TYPE_CHECKING:
    from toolchain.reports.github import Annotation

JUNIT = "junit.xml"
HTML = "report.html"
PAGE_BYTES = 40_000
SUMMARY_ROOM = 400_000
"""Bytes. GitHub takes more than twice as much, and a browser does not like it."""


def write(
    reports: Sequence[SuiteReport],
    verdicts: Sequence[Verdict],
    out: Path,
    *,
    trend: Sequence[TrendPoint] = (),
    html: bool = True,
    junit: bool = True,
    quarantined: Collection[CaseId] = (),
    secrets: Collection[str] = (),
    title: str = "",
) -> dict[str, Path]:
    """Writes what was asked for into the folder `out`, and returns the files by name: `junit`, `html`.

    `reports` may be of several suites, and several of one suite (its shards). `verdicts` are theirs, in any order.
    `trend` are earlier runs, oldest first. `secrets` are values that must not appear anywhere.
    """
    out.mkdir(parents=True, exist_ok=True)
    written: dict[str, Path] = {}
    if junit:
        from toolchain.reports import junit_xml

        written["junit"] = out / JUNIT
        junit_xml.write(reports, written["junit"], quarantined=quarantined, secrets=secrets)
    if html:
        from toolchain.reports import html as page

        written["html"] = out / HTML
        page.write(
            tally(reports),
            verdicts or [judge(report) for report in reports],
            written["html"],
            trend=trend,
            quarantined=quarantined,
            secrets=secrets,
            title=title,
        )
    return written


def evidence(
    reports: Sequence[SuiteReport],
    verdicts: Sequence[Verdict],
    out: Path,
    *,
    trend: Sequence[TrendPoint] = (),
    quarantined: Collection[CaseId] = (),
    title: str = "",
) -> tuple[Evidence, ...]:
    """Writes the reports of a stage, as its evidence. One that cannot be written is told there and stops nothing."""
    try:
        written = write(reports, verdicts, out, trend=trend, quarantined=quarantined, title=title)
    except OSError as error:
        return (Evidence(name="reports", location=f"could not be written into {out}: {error.strerror}"),)
    return tuple(Evidence(name=path.name, location=str(path)) for path in written.values())


def payload(reports: Sequence[SuiteReport], *, quarantined: Collection[CaseId] = ()) -> dict[str, Any]:
    """What a test stage keeps for those who show it: `page` (Markdown), `cases` (rows of a table) and `annotations`
    (of GitHub). JSON, bounded in size, without secrets."""
    from toolchain.reports import github, markdown

    numbers = tally(reports)
    return {
        "page": markdown.page(numbers, (), room=PAGE_BYTES),
        "cases": markdown.rows(numbers),
        "annotations": [one.model_dump(mode="json") for one in github.annotate(numbers, quarantined=quarantined)],
    }


def announce(
    reports: Sequence[SuiteReport],
    verdicts: Sequence[Verdict],
    project: Path,
    *,
    out: TextIO | None = None,
    environment: Mapping[str, str] = os.environ,
    quarantined: Collection[CaseId] = (),
    secrets: Collection[str] = (),
    title: str = "",
) -> None:
    """In GitHub Actions, annotates what failed and writes the step's summary; does nothing anywhere else."""
    if not in_actions(environment):
        return
    from toolchain.reports import github, markdown

    numbers = tally(reports)
    found = github.annotate(numbers, secrets=secrets, quarantined=quarantined)
    annotate(found, project, out=out, environment=environment)
    summarise(lambda room: markdown.page(numbers, verdicts, room=room, secrets=secrets, title=title), environment)


def in_actions(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this is a step of GitHub Actions."""
    return environment.get("GITHUB_ACTIONS") == "true"


def annotate(
    annotations: Sequence[Annotation],
    project: Path,
    *,
    out: TextIO | None = None,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Prints the workflow commands, with the files relative to the repository."""
    from toolchain.reports import github

    prefix = ""
    workspace = Path(environment.get("GITHUB_WORKSPACE") or project).resolve()
    if project.resolve().is_relative_to(workspace):
        prefix = project.resolve().relative_to(workspace).as_posix()
    for one in annotations:
        print(github.command(one, prefix=prefix), file=out or sys.stdout, flush=True)


def summarise(page: Callable[[int], str], environment: Mapping[str, str] = os.environ) -> None:
    """Appends a page, made for the room that is left, to the step's summary. A summary that cannot be written is a
    missing picture, no verdict: it is let go."""
    from toolchain.reports.github import SUMMARY_BYTES

    if not (path := environment.get("GITHUB_STEP_SUMMARY")):
        return
    with suppress(OSError), Path(path).open("ab") as file:
        room = SUMMARY_BYTES - file.tell() - 2
        if text := page(min(room, SUMMARY_ROOM)) if room > 1000 else "":
            file.write(f"\n{text}\n".encode())
