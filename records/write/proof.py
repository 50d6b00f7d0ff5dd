"""Recording what clients saw of a rollout."""

from __future__ import annotations

from domain.proof import Proof, assess
from records.session import writing
from records.tables import ProofRow
from records.tables.columns import now
from records.upsert import upsert


def record_proof(rollout_id: str, proof: Proof) -> None:
    """Record the proof of a rollout; done again, the last one counts. Rejected when the rollout was not recorded."""
    row = {
        "rollout_id": rollout_id,
        "outcome": assess(proof).outcome.value,
        "requests": proof.requests,
        "failed": proof.failed,
        "proof": proof.model_dump(mode="json"),
        "recorded": now(),
    }
    with writing() as session:
        upsert(session, ProofRow, [row], update=[name for name in row if name != "rollout_id"])
