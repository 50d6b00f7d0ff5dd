"""Which of a suite's cases a flow runs (`tests.select`), and what is remembered of them, below the project's store.

A flow tests a snapshot, which lies elsewhere each time. So the memory goes by the project's and the suite's names, and
what differs is found by content. Where it cannot be used, everything runs, and why is said.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from domain.cases import SuiteReport
from domain.plan import Plan, Shard
from domain.spec import Suite
from domain.supply import Source
from domain.verdict import Verdict
from tasks import impact
from tasks.run import Run
from tasks.suite_result import compared, with_reused


def why_not(suite: Suite, shards: int) -> str:
    """Why all of a suite runs whatever changed; "" when a selection is possible."""
    if suite.framework != "pytest":
        return f"what cases of {suite.framework} depend on is not known"
    if suite.coverage is not None:
        return "its coverage is measured, which a part of it cannot give"
    if shards > 1:
        return f"it has {shards} shards, and what each records is not put together"
    return ""


class Changed:
    """One suite's selection in one run. `planned` is None where all of it runs without recording; `note` tells."""

    def __init__(self, run: Run, source: Source, suite: Suite, plan: Plan, python: Path | None, *, again: bool) -> None:
        self.suite, self.plan, self.note = suite, plan, ""
        self.planned: impact.Selection | None = None
        if run.spec.tests.select == "all":
            return
        if why := why_not(suite, len(plan.shards)):
            self.note = f"everything runs: {why}"
            return
        words = "\0".join([*suite.args, "", *suite.paths])
        name = f"{suite.name}-{hashlib.blake2b(words.encode(), digest_size=8).hexdigest()}.sqlite3"
        store = run.store / "impact" / run.project / name
        planned = impact.plan(
            Path(source.root), store, impact.conditions(python or Path(sys.executable), suite.environment)
        )
        self.planned = planned = impact.whole(planned) if again else planned
        if planned.run is None:
            self.note = f"everything runs: {planned.everything}"
            return
        self.note = f"{len(planned.reused)} results are reused: nothing that they depend on has changed"
        shards = (Shard(number=1, selection=planned.run),) if planned.run else ()
        self.plan = Plan(suite=plan.suite, basis="changed", shards=shards)

    def taken_in(self, report: SuiteReport, out: Path | None) -> SuiteReport:
        """The report with what is quoted; what ran is remembered. `out` is where it was recorded."""
        if self.note:
            report = report.model_copy(update={"notes": (*report.notes, self.note)})
        if self.planned is None:
            return report
        if out is not None:
            impact.absorb(out, self.planned)
        return report if self.planned.run is None else with_reused(report, self.planned.attempts(self.suite.name))

    def counted(self, verdict: Verdict, report: SuiteReport) -> Verdict:
        """The verdict, with how many of its results would have been quoted, and wrongly."""
        return compared(verdict, self.planned, report)
