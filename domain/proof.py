"""The proof of a rollout: what clients at a constant rate saw of it, second by second, and what that comes to in words.

Requests are sent at their time whatever the answers take (an open model), so that nothing that a client would have
suffered is left out (Tene: "How NOT to Measure Latency", coordinated omission). `domain/proof_count.py` counts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from domain.verdict import Outcome, Value, Verdict

Count = Annotated[int, Field(ge=0)]
Measured = Annotated[float, Field(ge=0, allow_inf_nan=False)]

UNTOLD = ""
"""The version of an answer that named none, and of a request without an answer."""


class Row(Value):
    """What became of the requests that were due in one stretch of time. `at` is its begin, in seconds since the proof
    began; latencies are in seconds, from when a request was due. `versions` counts answers, failed ones included."""

    at: Measured
    requests: Count
    failed: Count
    unsent: Count = 0
    p50: Measured = 0.0
    p95: Measured = 0.0
    p99: Measured = 0.0
    versions: dict[str, Count] = Field(default_factory=dict)


class Mark(Value):
    """A step of the rollout that was done, `at` seconds after the proof began."""

    at: Measured
    text: str


class Proof(Value):
    """What was seen of one rollout. `width` is the length of a row, `seconds` of the proof; `began` is in seconds since
    the epoch.

    `unsent` are requests that could not leave in time because too many were under way: they are no part of `requests`.
    `failures` counts failed requests by the version that answered them; no answer counts as "". `strayed` counts the
    answers of `version` to requests that were due after it had been taken back, None where nothing tells versions or
    nothing was taken back. `problems` say why there is no proof, or only half of one.
    """

    version: str
    stable: str | None = None
    address: str = ""
    rate: Measured = 0.0
    header: str = ""
    began: float = 0.0
    seconds: Measured = 0.0
    width: Measured = 1.0
    rows: tuple[Row, ...] = ()
    marks: tuple[Mark, ...] = ()
    requests: Count = 0
    failed: Count = 0
    unsent: Count = 0
    p50: Measured = 0.0
    p95: Measured = 0.0
    p99: Measured = 0.0
    max: Measured = 0.0
    versions: dict[str, Count] = Field(default_factory=dict)
    failures: dict[str, Count] = Field(default_factory=dict)
    first_failure: str = ""
    first_failure_at: Measured | None = None
    aborted: Measured | None = Field(None, description="when the release had been taken back, in seconds")
    strayed: Count | None = None
    problems: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether answers told their version."""
        return any(name != UNTOLD for name in self.versions)

    @property
    def rejected(self) -> int:
        """Failed requests that the release itself answered: a canary shows by them that it is bad."""
        return self.failures.get(self.version, 0)


def assess(proof: Proof) -> Verdict:
    """The verdict of gate `proof`: FAIL when a request failed or strayed, INCONCLUSIVE when nothing or not everything
    could be sent, else PASS. Each with its numbers in sentences."""
    bad = proof.failed > 0 or bool(proof.strayed)
    blind = bool(proof.problems) or not proof.requests or proof.unsent > 0
    outcome = Outcome.FAIL if bad else Outcome.INCONCLUSIVE if blind else Outcome.PASS
    reasons = [*_lost(proof), *_who(proof), *proof.problems]
    metrics = {
        "requests": float(proof.requests),
        "failed": float(proof.failed),
        "unsent": float(proof.unsent),
        "rejected": float(proof.rejected),
        "p50": proof.p50,
        "p95": proof.p95,
        "p99": proof.p99,
    }
    if proof.strayed is not None:
        metrics["strayed"] = float(proof.strayed)
    return Verdict(gate="proof", outcome=outcome, reasons=tuple(reasons), metrics=metrics)


def counted(number: int, one: str = "request") -> str:
    """`1 request`, `4,200 requests`."""
    return f"{number:,} {one}{'' if number == 1 else 's'}"


def _lost(proof: Proof) -> list[str]:
    if not proof.requests:
        return [] if proof.problems else ["no request was sent, so nothing is proved"]
    told = []
    if proof.failed:
        first = f", the first at second {int(proof.first_failure_at or 0)}: {proof.first_failure}"
        told.append(f"{proof.failed:,} of {counted(proof.requests)} failed{first}")
    else:
        told.append(f"0 of {counted(proof.requests)} failed, {proof.rate:g} a second for {proof.seconds:.0f} s")
    if proof.rejected:
        told.append(f"{proof.rejected:,} of them got their bad answer from {proof.version} itself")
    told.append(f"p50 {_ms(proof.p50)}, p95 {_ms(proof.p95)}, p99 {_ms(proof.p99)}")
    if proof.unsent:
        told.append(f"{counted(proof.unsent)} could not be sent in time: too many were under way")
    return told


def _who(proof: Proof) -> list[str]:
    if not proof.requests:
        return []
    if not proof.known:
        return [f"which release answered is unknown: no answer has the header {proof.header}"]
    told = [f"answered by {shares(proof.versions)}"]
    if proof.strayed is not None:
        told.append(f"{counted(proof.strayed)} reached {proof.version} after it was taken back")
    return told


def shares(versions: Mapping[str, int]) -> str:
    """`v1 4,000, v2 200`, the most first; those that named no release last."""
    named = sorted(((name, count) for name, count in versions.items() if name), key=lambda one: (-one[1], one[0]))
    told = [f"{name} {count:,}" for name, count in named]
    return ", ".join(told + ([f"unknown {versions[UNTOLD]:,}"] if versions.get(UNTOLD) else []))


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 0.1 else f"{seconds * 1000:,.0f} ms"


def impossible(version: str, why: str) -> Proof:
    """No proof, and why."""
    return Proof(version=version, problems=(why,))
