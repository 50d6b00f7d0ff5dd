"""What ships and what does not: INCONCLUSIVE never, unless the policy names that gate."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from domain.policy import SHIPPED, Mode, Policy, decide, effective
from domain.verdict import Outcome, Verdict, worst

_OUTCOMES = st.sampled_from(list(Outcome))
_GATES = st.sampled_from(["build", "bandit", "trivy", "tests.unit", "load"])
_VERDICTS = st.lists(
    st.builds(lambda gate, outcome: Verdict(gate=gate, outcome=outcome), _GATES, _OUTCOMES), max_size=6
)
_POLICIES = st.builds(
    lambda gates: Policy(gates=gates), st.dictionaries(_GATES, st.sampled_from(list(Mode)), max_size=5)
)


@given(st.lists(_OUTCOMES), st.randoms(use_true_random=False))
def test_the_order_of_outcomes_does_not_matter(outcomes: list[Outcome], shuffle: random.Random) -> None:
    mixed = list(outcomes)
    shuffle.shuffle(mixed)
    assert worst(mixed) is worst(outcomes)


@given(st.lists(_OUTCOMES, min_size=1), st.lists(_OUTCOMES, min_size=1))
def test_outcomes_can_be_weighed_in_parts(some: list[Outcome], others: list[Outcome]) -> None:
    assert worst([worst(some), worst(others)]) is worst(some + others)


def test_of_nothing_nothing_is_known() -> None:
    assert worst([]) is Outcome.INCONCLUSIVE
    assert decide(Policy(), []).outcome is Outcome.INCONCLUSIVE


@given(_POLICIES, _VERDICTS)
def test_it_ships_only_when_each_verdict_passed_or_was_allowed_not_to(policy: Policy, verdicts: list[Verdict]) -> None:
    def allowed(verdict: Verdict) -> bool:
        mode = policy.mode(verdict.gate)
        blind = mode is Mode.ADVISORY_WHEN_BLIND and verdict.outcome is Outcome.INCONCLUSIVE
        return verdict.passed or mode is Mode.ADVISORY or blind

    assert decide(policy, verdicts).ships == (bool(verdicts) and all(map(allowed, verdicts)))


@given(_VERDICTS)
def test_without_a_word_of_the_policy_inconclusive_blocks(verdicts: list[Verdict]) -> None:
    blind = Verdict(gate="tests.unit", outcome=Outcome.INCONCLUSIVE)
    assert not decide(Policy(), [*verdicts, blind]).ships


@given(_POLICIES, _VERDICTS, _GATES)
def test_one_more_failure_of_a_blocking_gate_never_helps(policy: Policy, verdicts: list[Verdict], gate: str) -> None:
    blocking = Policy(gates={**policy.gates, gate: Mode.BLOCKING})
    assert decide(blocking, [*verdicts, Verdict(gate=gate, outcome=Outcome.FAIL)]).outcome is Outcome.FAIL


@given(_POLICIES, _VERDICTS, st.lists(_GATES, max_size=3))
def test_a_required_gate_that_is_silent_counts_as_blind(
    policy: Policy, verdicts: list[Verdict], required: list[str]
) -> None:
    silent = [gate for gate in required if gate not in {v.gate for v in verdicts}]
    told = [*verdicts, *(Verdict(gate=gate, outcome=Outcome.INCONCLUSIVE) for gate in silent)]
    assert decide(policy, verdicts, required).outcome is decide(policy, told).outcome


@given(_POLICIES, _VERDICTS)
def test_whatever_did_not_pass_is_told(policy: Policy, verdicts: list[Verdict]) -> None:
    decision = decide(policy, verdicts)
    assert len(decision.reasons) + len(decision.advice) == sum(not verdict.passed for verdict in verdicts)
    assert bool(decision.reasons) == (bool(verdicts) and not decision.ships)


@given(_OUTCOMES)
def test_what_a_mode_makes_of_an_outcome(outcome: Outcome) -> None:
    assert effective(Mode.BLOCKING, outcome) is outcome
    assert effective(Mode.ADVISORY, outcome) is Outcome.PASS
    assert (effective(Mode.ADVISORY_WHEN_BLIND, outcome) is Outcome.FAIL) == (outcome is Outcome.FAIL)


def test_what_ships_by_default_is_strict_but_for_what_needs_a_database() -> None:
    assert {gate for gate, mode in SHIPPED.items() if mode is not Mode.BLOCKING} == {"pip_audit", "trivy"}
    assert Mode.ADVISORY not in SHIPPED.values()
    assert Policy().mode("anything") is Mode.BLOCKING
    assert Policy(gates={"trivy": Mode.BLOCKING}).mode("trivy") is Mode.BLOCKING


def test_a_word_for_tests_covers_every_suite_that_has_none_of_its_own() -> None:
    policy = Policy(gates={"tests": Mode.ADVISORY, "tests.api": Mode.BLOCKING})
    assert policy.mode("tests.unit") is policy.mode("tests") is Mode.ADVISORY
    assert policy.mode("tests.api") is Mode.BLOCKING and policy.mode("build") is Mode.BLOCKING
