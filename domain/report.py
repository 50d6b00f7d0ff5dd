"""What a run says in the end: every stage with its verdict, the decision, and where the environment stands now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from domain.errors import EXIT_BROKEN
from domain.policy import Decision, Mode, Policy, decide
from domain.stages import STAGES, stage_of
from domain.verdict import Outcome, Value, Verdict, worst


class Stage(Value):
    """One finished stage: `name` is `tests.unit`, `scan.bandit`; `payload` is what later stages need of it, as JSON."""

    name: str = Field(description="`build`, `scan.bandit`, `tests.unit`, ...")
    verdict: Verdict = Field(description="`gate`, `outcome`, `reasons`, `metrics`, `evidence`, `reused`")
    payload: dict[str, Any] = Field(default_factory=dict, description="what later stages need of it")
    reused_from: str | None = Field(None, description="the run whose verdict is quoted")
    seconds: float = Field(0.0, description="how long it took")
    mode: Mode = Field(Mode.BLOCKING, description="what its verdict weighs: `blocking`, `advisory`, ...")

    @property
    def group(self) -> str:
        """The pipeline's stage that it belongs to."""
        return stage_of(self.name)


class Report(Value):
    """All of a run, for the exit code, the table and `--json`."""

    run: str = Field(description="the run's id, in Prefect and in the records")
    kind: str = Field(description="the flow: `release`, `execution`, ...")
    project: str = Field(description="the service's name")
    environment: str | None = Field(None, description="where to; null for a run that goes nowhere")
    version: str | None = Field(None, description="the release; null when it came to none")
    outcome: Outcome = Field(description="`PASS`, `FAIL` or `INCONCLUSIVE`: the exit code's reason")
    decision: Decision = Field(description="`outcome`, `reasons` that stopped it, `advice` that did not")
    stages: tuple[Stage, ...] = Field((), description="the stages that ended, in order")
    skipped: tuple[str, ...] = Field((), description="stages that were not reached")
    address: str = Field("", description="where the service answers")
    state: str = Field("", description="where the environment stands, in a sentence")
    seconds: float = Field(0.0, description="how long the run took")
    evidence: str = Field("", description="folder with the tools' reports and logs")


class GroupReport(Value):
    """All of a run of several services that are one release: a report each, and what became of all of them."""

    run: str = Field(description="the flow run's id in Prefect, and the group's in the notebooks and the records")
    kind: str = Field(description="`deploy`, `release` or `rollback`")
    services: tuple[str, ...] = Field(description="the services' names")
    environment: str = Field(description="where to")
    outcome: Outcome = Field(description="the worst of the services' outcomes: the exit code's reason")
    reasons: tuple[str, ...] = Field((), description="what stopped it, each with its service")
    torn: str = Field("", description="which service stands where, if neither all are new nor all are old; exit code 4")
    fix: str = Field("", description="the command that mends what is torn")
    reports: tuple[Report, ...] = Field((), description="the services' own reports")
    seconds: float = Field(0.0, description="how long it took")

    @property
    def exit_code(self) -> int:
        """4 where the release is torn, else the outcome's."""
        return EXIT_BROKEN if self.torn else self.outcome.exit_code


def grouped(
    run: str, kind: str, reports: Sequence[Report], seconds: float, torn: str = "", fix: str = ""
) -> GroupReport:
    """The report of a group, of its services' reports."""
    told = [f"{report.project}: {reason}" for report in reports for reason in report.decision.reasons]
    return GroupReport(
        run=run,
        kind=kind,
        services=tuple(report.project for report in reports),
        environment=reports[0].environment or "",
        outcome=Outcome.FAIL if torn else worst(report.outcome for report in reports),
        reasons=tuple(told),
        torn=torn,
        fix=fix,
        reports=tuple(reports),
        seconds=seconds,
    )


def weigh(stages: Sequence[Stage], policy: Policy, required: Sequence[str] = ()) -> Decision:
    """The decision over the stages so far; `required` are gates that must have spoken."""
    return decide(policy, [stage.verdict for stage in stages], required)


def can_start_at(stage: str, start_at: str | None) -> bool:
    """Whether a finished `stage` may be reused when the run was told to start at `start_at`: only what comes before."""
    if start_at is None:
        return True
    return STAGES.index(stage_of(stage)) < STAGES.index(start_at)


def not_reached(stages: Sequence[Stage], planned: Sequence[str]) -> tuple[str, ...]:
    """The planned pipeline stages of which nothing was heard, in order."""
    heard = {stage.group for stage in stages}
    return tuple(name for name in planned if name not in heard)


def gate_of(stage: str) -> str:
    """The name policy knows a stage's gate by: `scan.bandit` → `bandit`, all others their own."""
    return stage.removeprefix("scan.")


def silent(gate: str, why: str) -> Verdict:
    """The verdict of a gate that could not look."""
    return Verdict(gate=gate, outcome=Outcome.INCONCLUSIVE, reasons=(why,))
