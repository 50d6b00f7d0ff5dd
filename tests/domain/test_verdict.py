"""Values are immutable, strict about their fields, and JSON both ways."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain import errors
from domain.errors import SpecError, TesError
from domain.verdict import Evidence, Outcome, Verdict

_VERDICTS = st.builds(
    Verdict,
    gate=st.text(max_size=10),
    outcome=st.sampled_from(list(Outcome)),
    reasons=st.lists(st.text(max_size=20), max_size=3).map(tuple),
    metrics=st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    evidence=st.lists(st.builds(Evidence, name=st.text(max_size=5), location=st.text(max_size=5)), max_size=2).map(
        tuple
    ),
    reused=st.booleans(),
)


@given(_VERDICTS)
def test_a_verdict_survives_json(verdict: Verdict) -> None:
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


@given(_VERDICTS)
def test_only_pass_passed(verdict: Verdict) -> None:
    assert verdict.passed == (verdict.outcome == "PASS")
    assert (verdict.outcome.exit_code == 0) == verdict.passed


def test_a_verdict_cannot_be_changed_or_carry_what_it_does_not_know() -> None:
    verdict = Verdict(gate="g", outcome=Outcome.FAIL)
    with pytest.raises(ValidationError):
        verdict.outcome = Outcome.PASS  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Verdict.model_validate({"gate": "g", "outcome": "PASS", "passed": True})
    with pytest.raises(ValidationError):
        Verdict.model_validate({"gate": "g", "outcome": "SKIPPED"})


def test_exit_codes_are_the_documented_ones() -> None:
    assert [outcome.exit_code for outcome in (Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE)] == [0, 1, 2]
    assert (SpecError.exit_code, TesError.exit_code) == (3, 4)


@pytest.mark.parametrize(
    "kind", [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, TesError)]
)
def test_an_error_keeps_its_fix_across_processes(kind: type[TesError]) -> None:
    error = pickle.loads(pickle.dumps(kind("it broke", fix="mend it")))  # noqa: S301
    assert type(error) is kind
    assert str(error) == "it broke\n  fix: mend it"
