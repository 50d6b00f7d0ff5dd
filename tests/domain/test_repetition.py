"""What is new is run again at once, as often as the time that is set aside lets one learn the most."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from domain.repetition import fresh, repetitions

COSTS = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.floats(0, 100), max_size=12)


def test_new_and_changed_cases_are_found_by_history() -> None:
    cases = ("a.py::one", "a.py::two", "b.py::one")
    assert fresh(cases, known=("a.py::one", "b.py::one")) == ("a.py::two",)
    assert fresh(cases, known=cases) == ()
    assert fresh(cases, known=cases, changed=["b.py", "a.py::one"]) == ("a.py::one", "b.py::one")


def test_cheap_cases_are_repeated_most_and_what_is_too_slow_is_told() -> None:
    found = repetitions({"quick": 0.1, "slow": 4.0, "endless": 60.0}, cases=100, budget=10.0)
    assert found.extra == {"quick": 10, "slow": 2}
    assert found.reason == "1 of 3 new or changed cases are too slow to repeat in 10 s"


def test_where_nearly_all_is_new_nothing_is_repeated_and_that_is_told() -> None:
    found = repetitions({"a": 0.1, "b": 0.1}, cases=3, budget=10.0)
    assert found.extra == {} and found.reason == "2 of 3 cases are new or changed: too many to repeat"


def test_a_duration_that_is_no_number_is_not_repeated() -> None:
    assert repetitions({"a": math.nan, "b": math.inf}, cases=100, budget=10.0).extra == {}


@given(COSTS, st.floats(0, 200), st.integers(0, 12))
def test_neither_the_budget_nor_the_most_is_exceeded(costs: dict[str, float], budget: float, most: int) -> None:
    found = repetitions(costs, cases=1000, budget=budget, most=most)
    assert sum(max(0.001, costs[case]) * times for case, times in found.extra.items()) <= budget + 1e-6
    assert all(1 <= times <= most for times in found.extra.values())
    assert found == repetitions(dict(reversed(costs.items())), cases=1000, budget=budget, most=most)


@given(COSTS, st.floats(0.1, 200))
def test_of_two_cases_the_slower_is_not_repeated_more_often(costs: dict[str, float], budget: float) -> None:
    extra = repetitions(costs, cases=1000, budget=budget).extra
    for one, cost in costs.items():
        for other, more in costs.items():
            if more > 1.5 * cost and cost > 0.001:
                assert extra.get(other, 0) <= extra.get(one, 0)
