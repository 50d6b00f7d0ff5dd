"""What is written of a test run: the front door for flows and for `tes test`. Imports neither Prefect nor the records.

A report that could not be written is not the verdict: OSError is raised, and whoever calls decides.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from domain.cases import CaseId, SuiteReport, judge
from domain.tally import tally
from domain.trend import TrendPoint
from domain.verdict import Evidence, Verdict

JUNIT = "junit.xml"
HTML = "report.html"


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


def evidence(reports: Sequence[SuiteReport], verdicts: Sequence[Verdict], out: Path) -> tuple[Evidence, ...]:
    """Writes the reports of a stage, as its evidence. One that cannot be written is told there and stops nothing."""
    try:
        written = write(reports, verdicts, out)
    except OSError as error:
        return (Evidence(name="reports", location=f"could not be written into {out}: {error.strerror}"),)
    return tuple(Evidence(name=path.name, location=str(path)) for path in written.values())
