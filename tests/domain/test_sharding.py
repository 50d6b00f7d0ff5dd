"""Longest processing time first: complete, balanced within Graham's bounds, deterministic, quick."""

from __future__ import annotations

import math
import random
import time
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.sharding import expected, split

_DURATIONS = st.none() | st.floats(0, 1e6, allow_subnormal=False)
_CASES = st.lists(_DURATIONS, max_size=60).map(lambda times: [(f"t{i}", t) for i, t in enumerate(times)])


def _loads(cases: list[tuple[str, float | None]], shards: tuple[tuple[str, ...], ...]) -> list[float]:
    known = dict(zip((name for name, _ in cases), expected([t for _, t in cases]), strict=True))
    return [math.fsum(known[name] for name in shard) for shard in shards]


@given(_CASES, st.integers(1, 20))
def test_every_case_is_in_one_shard_and_none_is_empty_without_need(
    cases: list[tuple[str, float | None]], shards: int
) -> None:
    parts = split(cases, shards)
    assert len(parts) == shards
    assert sorted(name for part in parts for name in part) == sorted(name for name, _ in cases)
    assert sum(1 for part in parts if part) == min(shards, len(cases))


@given(_CASES, st.integers(1, 20))
def test_no_shard_is_worse_than_list_scheduling(cases: list[tuple[str, float | None]], shards: int) -> None:
    """Graham 1966: at most sum/m + (1 - 1/m) longest, whatever the order."""
    known = expected([t for _, t in cases])
    bound = math.fsum(known) / shards + (1 - 1 / shards) * max(known, default=0)
    assert max(_loads(cases, split(cases, shards))) <= bound * (1 + 1e-9) + 1e-9


@given(st.lists(st.integers(0, 50), max_size=7), st.integers(1, 3))
def test_the_slowest_shard_is_within_four_thirds_of_the_best_possible(times: list[int], shards: int) -> None:
    """Graham 1969: LPT <= (4/3 - 1/(3m)) OPT; OPT by trying everything."""
    cases: list[tuple[str, float | None]] = [(f"t{i}", float(t)) for i, t in enumerate(times)]
    best = min(
        max(sum(t for t, s in zip(times, where, strict=True) if s == shard) for shard in range(shards))
        for where in product(range(shards), repeat=len(times))
    )
    assert max(_loads(cases, split(cases, shards))) <= (4 / 3 - 1 / (3 * shards)) * best + 1e-9


@given(_CASES, st.integers(1, 8), st.randoms(use_true_random=False))
def test_the_order_of_the_cases_changes_nothing(
    cases: list[tuple[str, float | None]], shards: int, shuffle: random.Random
) -> None:
    mixed = list(cases)
    shuffle.shuffle(mixed)
    # Of equal durations the name decides, so only the mean of unknown ones could be summed differently.
    known = [(name, t) for name, t in cases if t is not None]
    assert split([case for case in mixed if case[1] is not None], shards) == split(known, shards)


def test_unknown_durations_count_as_the_mean_of_the_known() -> None:
    assert expected([1.0, None, 3.0, math.nan, -1.0, math.inf]) == [1.0, 2.0, 3.0, 2.0, 2.0, 2.0]
    assert expected([None, None]) == [1.0, 1.0]


def test_longest_first_within_a_shard() -> None:
    assert split([("a", 1), ("b", 5), ("c", 3), ("d", 4)], 2) == (("b", "a"), ("d", "c"))


@pytest.mark.parametrize("shards", [0, -1])
def test_fewer_than_one_shard_is_an_error(shards: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        split([], shards)


def test_a_hundred_thousand_cases_take_less_than_a_second() -> None:
    numbers = random.Random(1)
    cases: list[tuple[str, float | None]] = [(f"t{i}", numbers.expovariate(1)) for i in range(100_000)]
    began = time.process_time()
    parts = split(cases, 64)
    assert time.process_time() - began < 1
    loads = _loads(cases, parts)
    assert max(loads) - min(loads) < 0.01
