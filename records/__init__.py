"""What happened, kept: SQLite by default, PostgreSQL by `TES_DATABASE_URL`.

Functions are synchronous and take and give plain values; an async caller uses `asyncio.to_thread`. Every write is one
transaction, and saying it twice changes nothing. A database that does not answer is `domain.errors.Unavailable`.
"""

from records.engine import close
from records.read.audit import Chain, audit_entries, verify_chain
from records.read.case import CaseResult, attempts, cases, durations
from records.read.page import Page
from records.read.release import RolloutDetail, releases, rollout, rollouts
from records.read.run import RunDetail, abandoned, findings, projects, run, runs, state
from records.read.stage import reusable
from records.schema import migrate
from records.session import ping
from records.write.attempt import record_attempts
from records.write.audit import audit
from records.write.finding import record_findings
from records.write.load import record_load
from records.write.release import record_release
from records.write.rollout import record_rollout, record_rollout_step
from records.write.run import close_run, mark_interrupted, open_run
from records.write.stage import invalidate, record_stage

__all__ = [
    "Chain",
    "CaseResult",
    "Page",
    "RolloutDetail",
    "RunDetail",
    "abandoned",
    "attempts",
    "audit",
    "audit_entries",
    "cases",
    "close",
    "close_run",
    "durations",
    "findings",
    "invalidate",
    "mark_interrupted",
    "migrate",
    "open_run",
    "ping",
    "projects",
    "record_attempts",
    "record_findings",
    "record_load",
    "record_release",
    "record_rollout",
    "record_rollout_step",
    "record_stage",
    "releases",
    "reusable",
    "rollout",
    "rollouts",
    "run",
    "runs",
    "state",
    "verify_chain",
]
