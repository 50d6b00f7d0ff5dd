"""What a case is expected to take: between what it took, the newest first in weight, and no outlier in command."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.durations import REACH, expectations, expected, gathered

_SECONDS = st.floats(0, 1e6, allow_subnormal=False)


@given(st.lists(_SECONDS, min_size=1, max_size=20))
def test_it_lies_between_the_shortest_and_the_longest_observation(seen: list[float]) -> None:
    found = expected(seen)
    assert found is not None and min(seen) - 1e-9 <= found <= max(seen) * (1 + 1e-9) + 1e-9


@given(_SECONDS, st.integers(1, 20))
def test_what_is_always_the_same_is_expected(seconds: float, times: int) -> None:
    assert expected([seconds] * times) == pytest.approx(seconds)


@given(st.lists(st.floats(0.9, 1.1), min_size=3, max_size=10), st.data())
def test_one_outlier_changes_it_by_no_more_than_the_reach(usual: list[float], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(usual)))
    found = expected([*usual[:place], data.draw(st.floats(100, 1e9)), *usual[place:]])
    assert found is not None and found <= REACH * 1.1


@given(st.lists(_SECONDS, min_size=1, max_size=10), st.lists(st.sampled_from([math.nan, math.inf, -1.0]), max_size=5))
def test_what_cannot_be_a_duration_counts_for_nothing(seen: list[float], odd: list[float]) -> None:
    assert expected([*odd, *seen]) == expected(seen)


def test_the_newest_counts_most() -> None:
    assert expected([2.0, 1.0, 1.0]) > expected([1.0, 1.0, 2.0])  # type: ignore[operator]


def test_a_change_that_lasts_is_believed_at_its_second_run() -> None:
    assert expected([10.0, 10.0, 1.0]) == pytest.approx((10 + 5 + 10 / REACH * 0.25) / 1.75)
    assert expected([10.0, 1.0, 1.0]) == pytest.approx((REACH + 0.5 + 0.25) / 1.75)


def test_without_an_observation_nothing_is_expected() -> None:
    assert expected([]) is None and expected([math.nan]) is None


def test_rows_become_expectations_of_each_case() -> None:
    assert gathered([("a", 1.0), ("b", 2.0), ("a", 3.0)]) == {"a": [1.0, 3.0], "b": [2.0]}
    assert expectations({"a": [1.0], "b": [], "c": [-1.0]}) == {"a": 1.0}
