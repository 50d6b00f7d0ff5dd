"""Recording what scanners found."""

from __future__ import annotations

from collections.abc import Iterable

from domain.findings import Finding
from records.session import writing
from records.tables import FindingRow
from records.tables.columns import now
from records.upsert import upsert


def record_findings(run_id: str, stage: str, findings: Iterable[Finding]) -> None:
    """Record findings in one transaction; the same finding again replaces its row. Rejected when there is no such
    run."""
    moment = now()
    rows = [
        {
            "run_id": run_id,
            "stage": stage,
            "fingerprint": finding.fingerprint,
            "line": finding.line,
            "scanner": finding.scanner,
            "rule": finding.rule,
            "severity": finding.severity.value,
            "path": finding.path,
            "message": finding.message,
            "url": finding.url,
            "recorded": moment,
        }
        for finding in findings
    ]
    if rows:
        with writing() as session:
            upsert(session, FindingRow, rows, update=("severity", "message", "url"))
