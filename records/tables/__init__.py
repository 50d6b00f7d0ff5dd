"""The rows. Domain values validate; rows store."""

from records.tables.attempt import AttemptRow
from records.tables.audit_entry import AuditEntryRow
from records.tables.case import CaseRow
from records.tables.execution import ExecutionRow
from records.tables.finding import FindingRow
from records.tables.load_summary import LoadSummaryRow
from records.tables.project import ProjectRow
from records.tables.proof import ProofRow
from records.tables.quarantine import QuarantineRow
from records.tables.release import ReleaseRow
from records.tables.rollout import RolloutRow
from records.tables.rollout_step import RolloutStepRow
from records.tables.run import RunRow, RunState
from records.tables.stage import StageRow

__all__ = [
    "AttemptRow",
    "AuditEntryRow",
    "CaseRow",
    "ExecutionRow",
    "FindingRow",
    "LoadSummaryRow",
    "ProjectRow",
    "ProofRow",
    "QuarantineRow",
    "ReleaseRow",
    "RolloutRow",
    "RolloutStepRow",
    "RunRow",
    "RunState",
    "StageRow",
]
