"""What happened, kept: SQLite by default, PostgreSQL by `TES_DATABASE_URL`.

Functions are synchronous and take and give plain values; an async caller uses `asyncio.to_thread`. Every write is one
transaction, and saying it twice changes nothing. A database that does not answer is `domain.errors.Unavailable`.
"""

from records.engine import close
from records.read.audit import Chain, audit_entries, verify_chain
from records.read.case import CaseResult, attempts, cases, durations
from records.read.failure import Failing, failing, failure_clusters
from records.read.history import Known, counted, find_cases, histories, known_among, suspects
from records.read.page import Page
from records.read.quarantine import Held, quarantines
from records.read.release import RolloutDetail, proof, releases, rollout, rollouts
from records.read.run import RunDetail, abandoned, findings, has_project, projects, run, runs, state
from records.read.stage import reusable
from records.read.trend import Point, Slow, slowest, trend
from records.schema import migrate
from records.session import ping
from records.write.attempt import record_attempts
from records.write.audit import Deed, audit, audit_all
from records.write.finding import record_findings
from records.write.load import record_load
from records.write.proof import record_proof
from records.write.quarantine import quarantine
from records.write.quarantine import release as release_from_quarantine
from records.write.release import record_release
from records.write.rollout import record_rollout, record_rollout_step
from records.write.run import close_run, mark_interrupted, open_run
from records.write.stage import invalidate, record_stage

__all__ = [
    "CaseResult",
    "Chain",
    "Deed",
    "Failing",
    "Held",
    "Known",
    "Page",
    "Point",
    "RolloutDetail",
    "RunDetail",
    "Slow",
    "abandoned",
    "attempts",
    "audit",
    "audit_all",
    "audit_entries",
    "cases",
    "close",
    "close_run",
    "counted",
    "durations",
    "failing",
    "failure_clusters",
    "find_cases",
    "findings",
    "has_project",
    "histories",
    "invalidate",
    "known_among",
    "mark_interrupted",
    "migrate",
    "open_run",
    "ping",
    "projects",
    "proof",
    "quarantine",
    "quarantines",
    "record_attempts",
    "record_findings",
    "record_load",
    "record_proof",
    "record_release",
    "record_rollout",
    "record_rollout_step",
    "record_stage",
    "release_from_quarantine",
    "releases",
    "reusable",
    "rollout",
    "rollouts",
    "run",
    "runs",
    "slowest",
    "state",
    "suspects",
    "trend",
    "verify_chain",
]
