"""Bandit: dangerous constructs in Python source.

Its severities are taken as they are (https://bandit.readthedocs.io: LOW, MEDIUM, HIGH); UNDEFINED counts as low. A file
that it could not parse is listed under `errors` while the exit code stays the same: such a file makes the gate blind.
"""

from __future__ import annotations

from typing import Literal

from domain.errors import ReportError
from domain.findings import Finding, ScanReport, Severity, distinct
from toolchain.command import Command, Ran
from toolchain.reports.trusted import Report, finished, link, one_line, read
from toolchain.scanners import ScanRequest
from toolchain.scanners._paths import Scope, scope

TOOL = "bandit"
CODES = frozenset({0, 1})
# These quote the password that they found.
QUOTES_A_SECRET = frozenset({"B105", "B106", "B107"})
SHOWN = 5


class _Issue(Report):
    filename: str
    issue_severity: Literal["UNDEFINED", "LOW", "MEDIUM", "HIGH"]
    issue_text: str
    line_number: int
    test_id: str
    more_info: str = ""


class _Error(Report):
    filename: str
    reason: str


class _Bandit(Report):
    errors: tuple[_Error, ...]
    metrics: dict[str, dict[str, float]]
    results: tuple[_Issue, ...]


def command(request: ScanRequest) -> Command:
    """Scans the whole root; paths in the report are relative to it."""
    report = request.out / "bandit.json"
    argv = (TOOL, "-r", ".", "-f", "json", "-o", str(report), "-x", ",".join(_globs(scope(request))))
    return Command(argv=argv, cwd=request.root, timeout=request.timeout, report=report, creates=(request.out,))


def parse(ran: Ran, request: ScanRequest) -> ScanReport:
    """The findings; `looked_at` counts the files it parsed. ToolError, ReportError when it cannot be trusted."""
    finished(ran, TOOL, CODES)
    told = read(_Bandit, ran, ran.report, TOOL)
    if "_totals" not in told.metrics:
        raise ReportError("bandit's report has no totals", fix="see its log: it did not get to the end")
    if ran.exit_code == 1 and not told.results and not told.errors:
        raise ReportError("bandit ended with exit code 1 and reports nothing", fix=f"see {ran.stderr}")
    area = scope(request)
    failed = {path: e.reason for e in told.errors if area.covers(path := area.relative(e.filename))}
    seen = {path for name in told.metrics if name != "_totals" and area.covers(path := area.relative(name))}
    findings = (_finding(issue, area.relative(issue.filename)) for issue in told.results)
    return ScanReport(
        scanner="bandit",
        findings=distinct(finding for finding in findings if area.covers(finding.path)),
        looked_at=len(seen - failed.keys()),
        blind=_blind(failed),
    )


def _finding(issue: _Issue, path: str) -> Finding:
    secretive = issue.test_id in QUOTES_A_SECRET
    return Finding(
        scanner="bandit",
        rule=one_line(issue.test_id, 80),
        severity=Severity.LOW if issue.issue_severity == "UNDEFINED" else Severity(issue.issue_severity.lower()),
        path=path,
        line=issue.line_number,
        message=issue.issue_text.partition(":")[0] if secretive else one_line(issue.issue_text),
        url=link(issue.more_info),
    )


def _blind(failed: dict[str, str]) -> tuple[str, ...]:
    shown = tuple(f"not examined: {one_line(p)}: {one_line(why, 120)}" for p, why in list(failed.items())[:SHOWN])
    return (*shown, f"not examined: {len(failed) - SHOWN} more files") if len(failed) > SHOWN else shown


def _globs(area: Scope) -> list[str]:
    # Its globs are fnmatch's on "./path", and a word without a wildcard is looked for anywhere in the path ("test"
    # would exclude "testing"): hence always with one. Naming any replaces its own defaults, which hide .github.
    return [f".{folder}/*" if folder.startswith("/") else f"*/{folder}/*" for folder in area.folders]
