"""When a scan is clean, when it is not, and when nobody can tell."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.findings import Finding, ScanReport, Severity, distinct, judge, waiver_for
from domain.spec import Waived
from domain.verdict import Outcome

TODAY = date(2026, 11, 23)


def finding(
    rule: str = "B602", severity: Severity = Severity.HIGH, path: str = "app/main.py", line: int = 7
) -> Finding:
    return Finding(scanner="bandit", rule=rule, severity=severity, path=path, line=line, message="shell")


def waived(rule: str = "B602", path: str | None = None, days: int = 30) -> Waived:
    return Waived(rule=rule, path=path, owner="ana", reason="reviewed", expires=TODAY + timedelta(days=days))


def report(*findings: Finding, looked_at: int = 10, blind: tuple[str, ...] = ()) -> ScanReport:
    return ScanReport(scanner="bandit", findings=findings, looked_at=looked_at, blind=blind)


LOW = finding("B101", Severity.LOW)
CASES = [
    ("nothing found in ten files", report(), (), "PASS", "0 of 0 findings"),
    ("one below the threshold", report(LOW), (), "PASS", "0 of 1 findings"),
    ("one at the threshold", report(finding()), (), "FAIL", "B602 high in app/main.py:7"),
    ("one above it", report(finding(severity=Severity.CRITICAL)), (), "FAIL", "1 finding(s)"),
    ("waived", report(finding()), (waived(),), "PASS", "0 of 1"),
    ("waived until today", report(finding()), (waived(days=0),), "PASS", "0 of 1"),
    ("waived until yesterday", report(finding()), (waived(days=-1),), "FAIL", "waiver of B602 by ana expired"),
    ("waived somewhere else", report(finding()), (waived(path="lib/*"),), "FAIL", "1 finding(s)"),
    ("another rule waived", report(finding()), (waived("B101"),), "FAIL", "1 finding(s)"),
    ("nothing examined", report(looked_at=0), (), "INCONCLUSIVE", "examined nothing"),
    ("blind", report(blind=("no database",)), (), "INCONCLUSIVE", "no database"),
    ("blind with a waived finding", report(finding(), blind=("x",)), (waived(),), "INCONCLUSIVE", "x"),
    ("blind, and yet it found one", report(finding(), blind=("no database",)), (), "FAIL", "no database"),
]


@pytest.mark.parametrize(("said", "waivers", "outcome", "why"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_judgement(said: ScanReport, waivers: tuple[Waived, ...], outcome: str, why: str) -> None:
    verdict = judge(said, Severity.HIGH, waivers, TODAY)
    assert verdict.outcome == outcome and why in " | ".join(verdict.reasons)


findings = st.builds(
    finding,
    rule=st.sampled_from(["B101", "B602"]),
    severity=st.sampled_from(Severity),
    path=st.sampled_from(["app/main.py", "lib/other.py"]),
    line=st.integers(0, 3),
)
reports = st.builds(
    ScanReport,
    scanner=st.just("bandit"),
    findings=st.lists(findings, max_size=4).map(tuple),
    looked_at=st.integers(0, 3),
    blind=st.lists(st.just("blind"), max_size=1).map(tuple),
)
waivers_ = st.lists(
    st.builds(
        waived, st.sampled_from(["B101", "B602"]), st.sampled_from([None, "app/*", "docs/*"]), st.integers(-2, 2)
    ),
    max_size=3,
)


@given(reports, st.sampled_from(Severity), waivers_)
def test_pass_means_looked_at_all_and_nothing_open(
    said: ScanReport, threshold: Severity, waivers: list[Waived]
) -> None:
    verdict = judge(said, threshold, waivers, TODAY)
    open_ = [f for f in said.findings if f.severity.rank >= threshold.rank and not waiver_for(f, waivers, TODAY)]
    assert verdict.passed == (not open_ and not said.blind and said.looked_at > 0)
    assert (verdict.outcome is Outcome.FAIL) == bool(open_)
    assert verdict.reasons and verdict.metrics["blocking"] == len(open_)


@given(reports, findings, st.sampled_from(Severity), waivers_)
def test_one_more_finding_never_makes_it_better(
    said: ScanReport, more: Finding, threshold: Severity, waivers: list[Waived]
) -> None:
    rank = [Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL].index
    worse = said.model_copy(update={"findings": (*said.findings, more)})
    before, after = (judge(r, threshold, waivers, TODAY).outcome for r in (said, worse))
    assert rank(after) >= rank(before)


@given(st.lists(findings, max_size=8))
def test_distinct_keeps_each_once_and_puts_the_worst_first(several: list[Finding]) -> None:
    once = distinct(several)
    assert {(f.fingerprint, f.line) for f in once} == {(f.fingerprint, f.line) for f in several}
    assert len({(f.fingerprint, f.line) for f in once}) == len(once)
    assert [f.severity.rank for f in once] == sorted((f.severity.rank for f in once), reverse=True)
    assert distinct(reversed(once)) == once


@given(findings, st.integers(0, 10_000))
def test_a_fingerprint_stays_when_the_lines_above_it_change(one: Finding, line: int) -> None:
    assert one.model_copy(update={"line": line}).fingerprint == one.fingerprint
    assert one.model_copy(update={"path": "elsewhere.py"}).fingerprint != one.fingerprint
