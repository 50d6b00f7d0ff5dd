"""Recording the numbers of a load run."""

from __future__ import annotations

from domain.load import LoadSummary
from domain.verdict import Verdict
from records.session import writing
from records.tables import LoadSummaryRow
from records.tables.columns import finite, now
from records.upsert import upsert


def record_load(run_id: str, summary: LoadSummary, verdict: Verdict) -> None:
    """Record a load run under its verdict's gate; done again, the last one counts. Rejected when there is no such
    run."""
    row = {
        "run_id": run_id,
        "gate": verdict.gate,
        "outcome": verdict.outcome.value,
        "generator": summary.generator,
        "requests": summary.requests,
        "failed": summary.failed,
        "rate": finite(summary.rate),
        "p50": finite(summary.p50),
        "p95": finite(summary.p95),
        "p99": finite(summary.p99),
        "summary": summary.model_dump(mode="json"),
        "recorded": now(),
    }
    with writing() as session:
        upsert(session, LoadSummaryRow, [row], update=[name for name in row if name not in ("run_id", "gate")])
