"""When a load run proves that the service bears it, when it disproves it, and when it proves nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.load import LoadSummary, judge, limits
from domain.spec import Thresholds
from domain.verdict import Outcome

GOOD: dict[str, Any] = {
    **{"generator": "k6", "requests": 100, "failed": 0, "seconds": 10.0, "rate": 10.0, "iterations": 100},
    **{"p50": 0.02, "p90": 0.04, "p95": 0.05, "p99": 0.08, "max": 0.1, "checks": 1.0},
}
LIMITS = Thresholds(error_rate=0.01, p95=0.5, checks=1.0)

CASES: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    ("all well", {}, {}, "PASS", "p95 50 ms <= 500 ms over 10 s"),
    ("at the limit", {"p95": 0.5}, {}, "PASS", "p95 500 ms"),
    ("too slow", {"p95": 0.812}, {}, "FAIL", "p95 812 ms > 500 ms over 10 s"),
    ("errors within the limit", {"failed": 1}, {}, "PASS", "error rate 1.00% <= 1.00% of 100 requests"),
    ("too many errors", {"failed": 2}, {}, "FAIL", "error rate 2.00% > 1.00%"),
    ("a check failed", {"checks": 0.99, "failed_checks": ("is 200: 1 of 100 failed",)}, {}, "FAIL", "is 200: 1 of 100"),
    ("no checks", {"checks": None}, {}, "INCONCLUSIVE", "made no checks"),
    ("no checks, none wanted", {"checks": None}, {"checks": None}, "PASS", "p95"),
    ("no requests", {"requests": 0}, {}, "INCONCLUSIVE", "0 requests < 1 needed"),
    ("too few requests", {}, {"min_requests": 101}, "INCONCLUSIVE", "100 requests < 101 needed"),
    ("dropped iterations", {"dropped_iterations": 3}, {}, "INCONCLUSIVE", "3 iterations dropped"),
    ("dropped and too slow", {"dropped_iterations": 3, "p95": 2.0}, {}, "FAIL", "3 iterations dropped"),
    ("the script's threshold", {"crossed": ("checks: rate>0.9",)}, {}, "FAIL", "crossed: checks: rate>0.9"),
    ("script errors", {"problems": ("4 errors in 4 iterations",)}, {}, "INCONCLUSIVE", "4 errors"),
]


@pytest.mark.parametrize(("change", "limits", "outcome", "why"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_judgement(change: dict[str, Any], limits: dict[str, Any], outcome: str, why: str) -> None:
    verdict = judge(LoadSummary(**{**GOOD, **change}), LIMITS.model_copy(update=limits))
    assert verdict.outcome == outcome and why in " | ".join(verdict.reasons)


times = st.floats(0, 2)
summaries = st.builds(
    LoadSummary,
    generator=st.just("k6"),
    requests=st.integers(0, 5),
    failed=st.just(0) | st.integers(0, 5),
    seconds=times,
    dropped_iterations=st.just(0) | st.integers(0, 2),
    p50=times,
    p95=times,
    p99=times,
    checks=st.none() | st.floats(0, 1) | st.just(1.0),
    crossed=st.just(()) | st.just(("a: b",)),
    problems=st.just(()) | st.just(("x",)),
)
limits_ = st.builds(
    Thresholds,
    error_rate=st.none() | st.floats(0, 1),
    p50=st.none() | st.floats(0.01, 2),
    p95=st.none() | st.floats(0.01, 2),
    p99=st.none() | st.floats(0.01, 2),
    checks=st.none() | st.floats(0, 1),
    min_requests=st.integers(1, 3),
)


@given(summaries, limits_)
def test_pass_means_every_limit_kept_by_a_run_that_proves_something(told: LoadSummary, limits: Thresholds) -> None:
    kept = all(
        limit is None or value <= limit
        for value, limit in (
            (told.p50, limits.p50),
            (told.p95, limits.p95),
            (told.p99, limits.p99),
            (told.error_rate, limits.error_rate),
        )
    )
    checked = limits.checks is None or (told.checks is not None and told.checks >= limits.checks)
    proves = told.requests >= limits.min_requests and not told.dropped_iterations and not told.problems
    verdict = judge(told, limits)
    assert verdict.passed == (kept and checked and proves and not told.crossed)
    if verdict.outcome is Outcome.INCONCLUSIVE:
        assert verdict.reasons


@pytest.mark.parametrize("field", ["p50", "p95", "seconds", "checks"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_what_is_no_measurement_is_not_judged(field: str, value: float) -> None:
    """NaN is not above any limit."""
    with pytest.raises(ValidationError):
        LoadSummary(**{**GOOD, field: value})


@pytest.mark.parametrize(
    ("change", "outcome"),
    [({"failed": 100}, "FAIL"), ({"checks": 0.5}, "FAIL"), ({"checks": None}, "PASS"), ({}, "PASS")],
)
def test_naming_one_limit_lifts_no_other(change: dict[str, Any], outcome: str) -> None:
    """`thresholds: {p95: 300ms}` once let a service pass that answered 500 to every request."""
    summary = LoadSummary(**{**GOOD, **change})
    assert judge(summary, limits(Thresholds(p95=0.3), 0.01, summary)).outcome == outcome
