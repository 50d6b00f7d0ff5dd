"""Failures of one trouble are one group, whatever ids, times and numbers they print; different troubles stay apart."""

from __future__ import annotations

import random
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clusters import EXAMPLE, Failure, cluster, normalised, signature

TEXTS = st.text(st.sampled_from("ab 0123456789.:-/'\"\\\nxTZef<>@"), max_size=80)

SAME = [
    ("assert 3 == 4", "assert 17 == -5.5"),
    ("timeout after 1.25 s at 2026-11-25T14:21:13.123Z", "timeout after 30 s at 2026-01-02T03:04:05Z"),
    ("object <A object at 0x7f00deadbeef>", "object <A object at 0x7fffab12>"),
    ("no order 123e4567-e89b-12d3-a456-426614174000", "no order 00000000-0000-0000-0000-000000000001"),
    ("[Errno 2] No such file: '/tmp/pytest-1/a.txt'", "[Errno 2] No such file: '/var/x/b.txt'"),
    ("cannot read /tmp/a-1/b/c.txt", "cannot read /home/somebody/c/d.txt"),
    ("connect to 127.0.0.1:4711 failed", "connect to 10.1.2.3:80 failed"),
    ("GET http://localhost:9/x?y=1 gave 500", "GET http://localhost:12/z gave 502"),
    ("KeyError: 'one'", "KeyError: 'another \\' key'"),
    ("\x1b[31mE  boom 1\x1b[0m", "E   boom 2"),
    ("commit 3fa9c1d2 is gone", "commit beef0000aaaa1111 is gone"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_differs_from_run_to_run_is_no_difference(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("KeyError: 'x'", "IndexError: 'x'"),
        ("cannot connect", "cannot resolve"),
        ("don't stop", "don't go"),
        ("utf8 expected", "latin1 expected"),
    ],
)
def test_different_troubles_stay_apart(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


def test_the_same_message_from_another_place_is_another_trouble_and_a_line_number_is_none() -> None:
    python = 'Traceback (most recent call last):\n  File "/a/shop/cart.py", line {}, in add\n    raise E\n'
    pytest_ = "tests/test_cart.py:{}: in test_add\n    add()\nshop/{}.py:9: ValueError\n"
    javascript = "Error: x\n    at add (/srv/shop/cart.js:{}:3)\n    at Object.<anonymous> (/srv/shop/t.test.js:1:1)"
    assert signature("boom", python.format(3)) == signature("boom", python.format(99))
    assert signature("boom", pytest_.format(3, "a")) == signature("boom", pytest_.format(4, "a"))
    assert signature("boom", pytest_.format(3, "a")) != signature("boom", pytest_.format(3, "b"))
    assert signature("boom", javascript.format(3)).splitlines() == ["boom", "in shop/cart.js", "in shop/t.test.js"]


def test_the_biggest_cluster_comes_first_with_the_newest_example() -> None:
    failures = [Failure(f"t{n}", f"timeout after {n} s", at=float(n)) for n in range(5)] + [
        Failure("x", "boom", at=9.0)
    ]
    found = cluster(failures)
    first, second = found.clusters
    assert (first.count, first.cases, first.first, first.last) == (5, 5, 0.0, 4.0)
    assert (first.example, first.example_case, first.pattern) == ("timeout after 4 s", "t4", "timeout after <number> s")
    assert (second.count, found.failures, found.other) == (1, 6, 0)


def test_groups_are_bounded_and_what_has_no_room_is_counted() -> None:
    found = cluster((Failure("t", "x" * n) for n in range(1, 30)), most=10)
    assert (len(found.clusters), found.other, found.failures) == (10, 19, 29)


def test_an_example_is_short() -> None:
    (one,) = cluster([Failure("t", "y" * 100_000, "z" * 100_000)]).clusters
    assert len(one.example) == EXAMPLE and len(one.pattern) == EXAMPLE


@given(
    st.lists(st.sampled_from(["lost", "in", "ms:", "got"]), min_size=1, max_size=9),
    st.lists(st.integers(), min_size=9, max_size=9),
)
def test_numbers_are_no_difference(words: list[str], numbers: list[int]) -> None:
    one = " ".join(f"{word} {number}" for word, number in zip(words, numbers, strict=False))
    other = " ".join(f"{word} {number}" for word, number in zip(words, reversed(numbers), strict=False))
    assert normalised(one) == normalised(other)


@given(st.lists(st.builds(Failure, st.sampled_from("abc"), TEXTS, at=st.integers(0, 9).map(float)), max_size=12))
def test_the_groups_do_not_depend_on_the_order_and_lose_nothing(failures: list[Failure]) -> None:
    shuffled = list(failures)
    random.Random(1).shuffle(shuffled)
    found, again = cluster(failures), cluster(shuffled)
    assert [(c.key, c.count, c.cases, c.first, c.last) for c in found.clusters] == [
        (c.key, c.count, c.cases, c.first, c.last) for c in again.clusters
    ]
    assert sum(one.count for one in found.clusters) == len(failures) == found.failures


@pytest.mark.parametrize(
    "text", ["'" * 40_000, '"\\' * 20_000, "/a" * 20_000, "1." * 20_000, "at (" * 10_000, "a:1" * 9_000]
)
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    signature(text, text)
    assert time.process_time() - began < 1.0


def test_ten_thousand_failures_take_little_time_and_memory() -> None:
    failures = (Failure(f"t{n % 500}", f"assert {n} == 4 in '/tmp/{n}'\n" * 5, at=float(n)) for n in range(10_000))
    tracemalloc.start()
    began = time.process_time()
    found = cluster(failures)
    seconds, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.clusters) == 1 and peak < 2_000_000 and seconds < 15
