"""Load results in k6's words, and the judgement of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from domain.spec import Thresholds
from domain.verdict import Outcome, Value, Verdict

Count = Annotated[int, Field(ge=0)]
# NaN is under every limit: a measurement that is no number must not get as far as a judgement.
Measured = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class LoadSummary(Value):
    """One run against one target. Times in seconds, rates as ratios 0..1.

    `checks` is the share that passed, None when the script had none; `failed_checks` names the worst that did not.
    `crossed` are the script's own thresholds that were crossed.
    `problems` are the reasons why the numbers cannot be trusted (script errors, interrupted).
    """

    generator: str
    requests: Count
    failed: Count
    seconds: Measured
    rate: Measured = 0.0
    iterations: Count = 0
    dropped_iterations: Count = 0
    p50: Measured = 0.0
    p90: Measured = 0.0
    p95: Measured = 0.0
    p99: Measured = 0.0
    max: Measured = 0.0
    checks: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    failed_checks: tuple[str, ...] = ()
    crossed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def error_rate(self) -> float:
        return self.failed / self.requests if self.requests else 1.0


def quantile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank quantile of ascending values (Hyndman and Fan, 1996, definition 1); 0.0 of nothing."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def limits(asked: Thresholds, errors: float, summary: LoadSummary | None = None) -> Thresholds:
    """The thresholds with what nobody said: naming one limit lifts no other. `errors` is the share of failed requests
    that is allowed then; checks that were made must all pass."""
    wanted: dict[str, float] = {}
    if asked.error_rate is None:
        wanted["error_rate"] = errors
    if asked.checks is None and summary is not None and summary.checks is not None:
        wanted["checks"] = 1.0
    return asked.model_copy(update=wanted)


def judge(summary: LoadSummary, limits: Thresholds, gate: str = "load") -> Verdict:
    """FAIL when a limit is broken, INCONCLUSIVE when the run proves nothing, else PASS with the numbers.

    A rate that the generator could not keep up (dropped iterations) is INCONCLUSIVE when nothing else is wrong:
    the service was not given the load that was asked for.
    """
    broken = [f"threshold of the script crossed: {name}" for name in summary.crossed]
    told: list[str] = []
    for name, value, limit in (
        ("p50", summary.p50, limits.p50),
        ("p95", summary.p95, limits.p95),
        ("p99", summary.p99, limits.p99),
    ):
        if limit is not None:
            line = f"{name} {value * 1000:.0f} ms {'>' if value > limit else '<='} {limit * 1000:.0f} ms"
            (broken if value > limit else told).append(f"{line} over {summary.seconds:.0f} s")
    if limits.error_rate is not None and summary.requests:
        over = summary.error_rate > limits.error_rate
        line = f"error rate {summary.error_rate:.2%} {'>' if over else '<='} {limits.error_rate:.2%}"
        (broken if over else told).append(f"{line} of {summary.requests} requests")
    blind = list(summary.problems)
    if limits.checks is not None:
        if summary.checks is None:
            blind.append("the run made no checks, so nothing says that the answers were right")
        elif summary.checks < limits.checks:
            which = f" ({'; '.join(summary.failed_checks)})" if summary.failed_checks else ""
            broken.append(f"checks {summary.checks:.2%} < {limits.checks:.2%}{which}")
        else:
            told.append(f"checks {summary.checks:.2%}")
    if summary.requests < limits.min_requests:
        blind.append(f"{summary.requests} requests < {limits.min_requests} needed")
    if summary.dropped_iterations:
        blind.append(f"{summary.dropped_iterations} iterations dropped: the load asked for was not reached")
    outcome = Outcome.FAIL if broken else Outcome.INCONCLUSIVE if blind else Outcome.PASS
    metrics = {
        "requests": float(summary.requests),
        "error_rate": summary.error_rate,
        "rate": summary.rate,
        "p50": summary.p50,
        "p95": summary.p95,
        "p99": summary.p99,
        "dropped_iterations": float(summary.dropped_iterations),
    }
    return Verdict(gate=gate, outcome=outcome, reasons=tuple(broken + blind or told), metrics=metrics)
