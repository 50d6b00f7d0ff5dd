"""What a scanner found, in SARIF's words, and the judgement of it."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from enum import StrEnum

from pydantic import Field

from domain.spec import Waived
from domain.verdict import Outcome, Value, Verdict


class Severity(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class Finding(Value):
    """One thing found. `fingerprint` stays the same while the code around it moves: it has no line number."""

    scanner: str
    rule: str
    severity: Severity
    path: str
    line: int = 0
    message: str
    url: str = ""

    @property
    def fingerprint(self) -> str:
        text = "\0".join((self.scanner, self.rule, self.path, self.message))
        return hashlib.sha256(text.encode()).hexdigest()[:32]


class ScanReport(Value):
    """All that a scanner says. `looked_at` counts what it examined (files, packages): nothing examined is not clean.
    `blind` tells, in words, what it could not see."""

    scanner: str
    findings: tuple[Finding, ...] = ()
    looked_at: int = Field(0, ge=0)
    blind: tuple[str, ...] = ()


def distinct(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each finding once a place, the worst first, then by path and line: the same input gives the same order."""
    once = {(f.fingerprint, f.line): f for f in findings}
    return tuple(sorted(once.values(), key=lambda f: (-f.severity.rank, f.path, f.line, f.rule, f.message)))


def waiver_for(finding: Finding, waivers: Sequence[Waived], today: date) -> Waived | None:
    """The waiver that covers a finding today, or None. An expired one covers nothing; its last day still counts."""
    for waiver in waivers:
        where = waiver.path is None or fnmatch.fnmatch(finding.path, waiver.path)
        if waiver.rule == finding.rule and where and today <= waiver.expires:
            return waiver
    return None


def judge(report: ScanReport, threshold: Severity, waivers: Sequence[Waived], today: date) -> Verdict:
    """FAIL at a finding at or above the threshold that no waiver covers; INCONCLUSIVE when it could not look."""
    open_: list[Finding] = []
    waived: list[Finding] = []
    below: list[Finding] = []
    for finding in report.findings:
        if waiver_for(finding, waivers, today):
            waived.append(finding)
        else:
            (open_ if finding.severity.rank >= threshold.rank else below).append(finding)
    metrics = {
        "findings": len(report.findings),
        "blocking": len(open_),
        "waived": len(waived),
        "below_threshold": len(below),
        "looked_at": report.looked_at,
    }
    if open_:
        first = open_[0]
        reasons: tuple[str, ...] = (
            f"{len(open_)} finding(s) at or above {threshold}; the first: {first.rule} {first.severity} in "
            f"{first.path}:{first.line}: {first.message}",
            *report.blind,
        )
        outcome = Outcome.FAIL
    elif report.blind:
        outcome, reasons = Outcome.INCONCLUSIVE, report.blind
    elif report.looked_at == 0:
        outcome = Outcome.INCONCLUSIVE
        reasons = (
            "examined nothing",
            f"if {report.scanner} has nothing to look at here, leave it out of scan.scanners",
        )
    else:
        outcome = Outcome.PASS
        reasons = (
            f"0 of {len(report.findings)} findings at or above {threshold} in {report.looked_at} items examined",
        )
    expired = [w for w in waivers if today > w.expires and any(f.rule == w.rule for f in report.findings)]
    reasons += tuple(f"waiver of {w.rule} by {w.owner} expired on {w.expires}" for w in expired)
    return Verdict(gate=report.scanner, outcome=outcome, reasons=reasons, metrics=metrics)
