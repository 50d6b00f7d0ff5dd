"""Nothing but a yes of somebody whose yes counts lets a release move."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.approval import Answer, asks, judge, may_say_yes
from domain.spec import EnvironmentSpec
from domain.verdict import Outcome

NAMES = st.sampled_from(["", "ada", "bob", "eve"])
ANSWERS = st.builds(Answer, approve=st.booleans(), by=NAMES, reason=st.sampled_from(["", "too late"]), way=st.just("x"))
DEPLOYERS = st.lists(st.sampled_from(["ada", "bob"]), max_size=2, unique=True)


@given(st.none() | ANSWERS, DEPLOYERS)
def test_only_a_yes_that_counts_passes(answer: Answer | None, deployers: list[str]) -> None:
    counts = answer is not None and answer.approve and (not deployers or answer.by in deployers)
    assert judge(answer, 60, deployers).passed == counts


@given(ANSWERS, DEPLOYERS)
def test_a_no_is_everybodys_and_names_who_and_why(answer: Answer, deployers: list[str]) -> None:
    said = judge(answer, 60, deployers)
    assert (said.outcome is Outcome.FAIL) == (not answer.approve)
    assert answer.by in said.reasons[0]
    if said.outcome is Outcome.FAIL:
        assert answer.reason in said.reasons[0]


def test_silence_is_inconclusive_and_says_how_long_was_waited() -> None:
    said = judge(None, 90, ())
    assert (said.outcome, said.reasons) == (Outcome.INCONCLUSIVE, ("nobody approved within 90 s",))


@pytest.mark.parametrize(
    ("environment", "approval", "wanted"),
    [
        ("production", None, True),
        ("staging", None, False),
        ("production", False, False),
        ("staging", True, True),
    ],
)
def test_production_asks_unless_its_environment_says_otherwise(
    environment: str, approval: bool | None, wanted: bool
) -> None:
    assert asks(environment, EnvironmentSpec(approval=approval)) is wanted


def test_where_nobody_is_listed_everybody_may() -> None:
    assert may_say_yes("eve", ()) and not may_say_yes("eve", ("ada",)) and may_say_yes("ada", ("ada",))
