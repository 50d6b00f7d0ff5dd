"""Which of a suite's cases a flow runs (`tests.select`), and what is remembered of them, below the project's store.

A flow tests a snapshot, which lies elsewhere each time. So the memory goes by the project's and the suite's names, and
what differs is found by content. Where it cannot be used, everything runs, and why is said.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from domain.cases import CaseId, SuiteReport, final
from domain.plan import Plan
from domain.plan_chosen import plan_chosen
from domain.spec import Suite
from domain.supply import Source
from domain.verdict import Verdict
from tasks import impact
from tasks.execute import clean_environment
from tasks.impact_parts import Part
from tasks.installed_copy import installed
from tasks.run import Run
from tasks.shards import divisible
from tasks.snapshot import entries
from tasks.suite_result import compared, misses, with_reused

NAMED = 5


def why_not(suite: Suite, *, elsewhere: bool = False) -> str:
    """Why all of a suite runs whatever changed; "" when a selection is possible. `elsewhere`: on other machines."""
    if suite.framework != "pytest":
        return f"what cases of {suite.framework} depend on is not known"
    if suite.coverage is not None:
        return "its coverage is measured, which a part of it cannot give"
    if elsewhere:
        return "its shards run on other machines, whose interpreters and packages this one does not know"
    return ""


class Changed:
    """One suite's selection in one run. `planned` and `copies` (see `Installed`) are None where all of it runs without
    recording; `note` tells."""

    def __init__(
        self,
        run: Run,
        source: Source,
        suite: Suite,
        plan: Plan,
        python: Path | None,
        durations: Mapping[CaseId, float],
        *,
        again: bool,
    ) -> None:
        self.suite, self.plan, self.note = suite, plan, ""
        self.planned: impact.Selection | None = None
        self.copies: Mapping[str, str] | None = None
        if run.spec.tests.select == "all":
            return
        if why := why_not(suite):
            self.note = f"everything runs: {why}"
            return
        words = "\0".join([*suite.args, "", *suite.paths])
        name = f"{suite.name}-{hashlib.blake2b(words.encode(), digest_size=8).hexdigest()}.sqlite3"
        store = run.store / "impact" / run.project / name
        # What the tests will see of this process's environment, which is another in each flow run.
        under = impact.conditions(python or Path(sys.executable), suite.environment, clean_environment())
        found = installed(python, [entry.path for entry in entries(source)], Path(source.root))
        under["the installed packages"], self.copies = found.rest, found.copies
        planned = impact.plan(Path(source.root), store, under, paths=impact.looks_at(suite.args, suite.paths))
        self.planned = planned = impact.whole(planned) if again else planned
        if planned.run is None:
            self.note = f"everything runs: {planned.everything}"
            return
        self.note = f"{len(planned.reused)} results are reused: nothing that they depend on has changed"
        self.plan = plan_chosen(suite.name, len(plan.shards), planned.run, durations, divides=divisible(suite))

    def taken_in(self, report: SuiteReport, outs: Sequence[Path]) -> SuiteReport:
        """The report with what is quoted; what ran is remembered. `outs` is where the plan's shards recorded."""
        if self.note:
            report = report.model_copy(update={"notes": (*report.notes, self.note)})
        if self.planned is None:
            return report
        if outs:
            impact.absorb(
                [
                    Part(out, shard.selection or (None if self.planned.run is None else ()))
                    for out, shard in zip(outs, self.plan.shards, strict=True)
                ],
                self.planned,
            )
        return report if self.planned.run is None else with_reused(report, self.planned.attempts(self.suite.name))

    def counted(self, verdict: Verdict, report: SuiteReport) -> Verdict:
        """The verdict with the metrics `selected` (cases that ran) and `reused`, and, where everything ran and could be
        compared, how many of its results would have been quoted, and which of them wrongly."""
        if self.planned is None:
            return verdict
        last = final(report.attempts).values()
        reused = sum(attempt.reused for attempt in last)
        metrics = {**verdict.metrics, "selected": float(len(last) - reused), "reused": float(reused)}
        verdict = compared(verdict.model_copy(update={"metrics": metrics}), self.planned, report)
        found = misses(self.planned, report)
        if found is None or not found[1]:
            return verdict
        told = f"selection would have missed {len(found[1])} of {found[0]} results: {', '.join(found[1][:NAMED])}"
        more = ", ..." if len(found[1]) > NAMED else ""
        return verdict.model_copy(update={"reasons": (*verdict.reasons, told + more)})
