"""What a rollout that is over says: the verdicts of the stages deploy and verify."""

from __future__ import annotations

from collections.abc import Sequence

from domain.rollout import Rollout, Status, Verb
from domain.verdict import Outcome, Verdict, worst
from tasks.rollback import ASKED_FOR
from tasks.rollout import Said


def judged(rollout: Rollout, said: Sequence[Said], seconds: float) -> tuple[Verdict, Verdict | None, float]:
    """The verdicts of the stages deploy and verify of a rollout that is over and took so many seconds; and how many of
    them it was looked at: those are the stage verify's."""
    baked = sum(took for action, _, took in said if action.verb is Verb.VERIFY)
    deploy = _deployed(rollout, said, seconds - baked)
    looked = [verdict for action, verdict, _ in said if action.verb is Verb.VERIFY]
    if not looked:
        return deploy, None, baked
    outcome = worst(verdict.outcome for verdict in looked)
    checked = Verdict(gate="verify", outcome=outcome, reasons=_told(looked), metrics=looked[-1].metrics)
    return deploy, checked, baked


def untouched(stable: str) -> Verdict:
    """Of a service that a rollback left where it was: taking back what was half-way beside it was all there was."""
    why = f"{stable} stays: other services were half-way and were taken back; this one was not among them"
    return Verdict(gate="deploy", outcome=Outcome.PASS, reasons=(why,))


def _deployed(rollout: Rollout, said: Sequence[Said], seconds: float) -> Verdict:
    version, stable = rollout.release.version, rollout.stable
    metrics = {"steps": float(len(said)), "seconds": seconds}
    if rollout.status is Status.HALTED:
        reasons: tuple[str, ...] = (f"halted, nothing was taken away: {rollout.reason}",)
        return Verdict(gate="deploy", outcome=Outcome.FAIL, reasons=reasons, metrics=metrics)
    now = f"{stable} has all traffic" if stable else "nothing was released before, and nothing is now"
    if rollout.status is Status.ABORTED and rollout.reason == ASKED_FOR:
        reasons = (f"{version} was half-way and was taken back, as asked", now)
        return Verdict(gate="deploy", outcome=Outcome.PASS, reasons=reasons, metrics=metrics)
    if rollout.promoted:
        reasons = (f"{version} promoted in {seconds:.1f} s, {len(said)} steps",)
        if rollout.status is Status.ABORTED:
            reasons += (f"then {f'taken back to {stable}' if stable else 'removed'}: {rollout.reason}",)
        # Of a group, it may be another one's verification that failed: its own stage verify does not tell.
        left = rollout.status is Status.ABORTED and rollout.group is not None
        outcome = Outcome.FAIL if left else Outcome.PASS
        return Verdict(gate="deploy", outcome=outcome, reasons=reasons, metrics=metrics)
    reasons = (f"{version} was not promoted: {rollout.reason}", now)
    blind = bool(said) and any(v.outcome is Outcome.INCONCLUSIVE for a, v, _ in said) and not _failed(said)
    outcome = Outcome.INCONCLUSIVE if blind else Outcome.FAIL
    return Verdict(gate="deploy", outcome=outcome, reasons=reasons, metrics=metrics)


def _failed(said: Sequence[Said]) -> bool:
    return any(verdict.outcome is Outcome.FAIL for _, verdict, _ in said)


def _told(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    bad = [verdict for verdict in verdicts if not verdict.passed]
    return tuple(dict.fromkeys(reason for verdict in bad or verdicts[-1:] for reason in verdict.reasons))
