"""A history is called flaky, broken or stable by its numbers, and not before there are enough of them."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cases import Status
from domain.flakiness import Assessment, Seen, State, assess, storms
from domain.wilson import wilson

BAD, GOOD = Status.FAILED, Status.PASSED


def history(*contents: str) -> list[Seen]:
    """Each word is a content; each letter a run of it: `.` passed, `F` failed, `r` failed and passed on retry."""
    seen: list[Seen] = []
    for number, word in enumerate(contents):
        for letter in word:
            run, at = f"run {len(seen):05}", float(len(seen))
            kinds = {".": (GOOD,), "F": (BAD,), "r": (BAD, GOOD), "s": (Status.SKIPPED,)}[letter]
            seen += [Seen(run, f"content {number}", at, kind, n) for n, kind in enumerate(kinds, 1)]
    return seen


def said(*contents: str) -> Assessment:
    return assess(history(*contents))


def test_wilson_is_the_published_interval() -> None:
    assert wilson(3, 40) == pytest.approx((0.0258, 0.1986), abs=5e-5)
    low, high = wilson(0, 10)
    assert low == 0.0 and high == pytest.approx(0.2775, abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="3 of 2"):
        wilson(3, 2)


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_wilson_holds_the_share_stays_within_0_and_1_and_is_symmetric(hits: int, misses: int) -> None:
    low, high = wilson(hits, hits + misses)
    other_low, other_high = wilson(misses, hits + misses)
    assert 0 <= low <= high <= 1
    if hits + misses:
        assert low <= hits / (hits + misses) <= high
    assert math.isclose(low, 1 - other_high, abs_tol=1e-12) and math.isclose(high, 1 - other_low, abs_tol=1e-12)


@given(st.integers(0, 50), st.integers(1, 50), st.integers(2, 20))
def test_more_of_the_same_evidence_narrows_the_interval(hits: int, misses: int, times: int) -> None:
    low, high = wilson(hits, hits + misses)
    narrow_low, narrow_high = wilson(times * hits, times * (hits + misses))
    assert narrow_high - narrow_low < high - low


@pytest.mark.parametrize(
    ("contents", "state"),
    [
        ((), State.UNKNOWN),
        (("ssss",), State.UNKNOWN),
        ((".....",), State.UNKNOWN),
        (("." * 12,), State.STABLE),
        (("." * 6, "." * 6), State.STABLE),
        (("...F......", "...F......"), State.FLAKY),
        (("r........", "........r"), State.FLAKY),
        ((".....", ".....", "FFF"), State.BROKEN),
        (("." * 40, "FF"), State.BROKEN),
        (("." * 30, "F"), State.UNKNOWN),
        (("FFF",), State.BROKEN),
        (("F",), State.UNKNOWN),
        (("." * 10, "FFFF", "." * 10), State.STABLE),
        (("...F......", "r........", *["." * 10] * 12), State.STABLE),
        (("...F......", "r........", "........"), State.FLAKY),
        (("." * 5, "r"), State.UNKNOWN),
        (tuple("..F....F......F....F...."), State.FLAKY),
        (tuple("..........F............."), State.STABLE),
        (tuple("...FFFFF......FFFFF....."), State.STABLE),
        (("F.F..F..F.F.", "FFFF"), State.FLAKY),
        (("F.F..F..F.F.", "F" * 16), State.BROKEN),
        ((".....................FFF.",), State.FLAKY),
    ],
)
def test_each_kind_of_history(contents: tuple[str, ...], state: State) -> None:
    found = said(*contents)
    assert found.state is state, found.reasons
    assert all(found.reasons)


def test_the_reasons_hold_the_numbers() -> None:
    six = ["......", "..F....", "...F...", ".......", "..F....", "......"]
    found = said(*six)
    assert found.reasons[0] == "failed 3 of 40 at 6 revisions that passed too; flake rate 7.5 % (2.6-19.9 %, 95 %)"
    assert (found.flakes, found.trials, found.attempts, found.contents) == (3, 40, 40, 6)
    assert said("r.r.....", ".........").reasons[1] == "passed on retry in 2 runs"
    assert said("r.r.....", "....").on_retry == 2
    broken = said("." * 40, "FFFF")
    assert broken.reasons == (
        "failed 4 of 4 since revision content 1; before, it failed 0 of 40: "
        "such a streak is chance in at most 0.0059 %",
    )
    assert (broken.streak, broken.since) == (-4, "content 1")


def test_a_regression_and_its_repair_are_two_flips_and_no_flake() -> None:
    found = said("....", "....", "F", "F", "....", "....")
    assert (found.flips, found.flakes, found.state) == (2, 0, State.STABLE)


def test_what_fails_with_everything_else_is_no_flake() -> None:
    calm = history("..........", "..........")
    storm = [Seen("s1", "content 0", 3.5, BAD, storm=True), Seen("s2", "content 1", 12.5, BAD, storm=True)]
    assert assess(calm + storm).state is State.STABLE
    assert assess(calm + [one._replace(storm=False) for one in storm]).state is State.FLAKY


def test_a_case_that_was_repaired_stays_so_though_a_machine_had_a_bad_day_since() -> None:
    repaired = history("..F...F..F", ".." * 40, ".." * 40)
    storm = Seen("s", "content 2", 150.5, BAD, storm=True)
    assert assess(repaired).state is State.STABLE
    assert assess([*repaired, storm]).state is State.STABLE
    assert assess([*repaired, storm._replace(storm=False)]).state is State.FLAKY


def test_but_a_streak_that_began_in_a_storm_is_broken_all_the_same() -> None:
    after = [Seen(f"z{n}", "new", 100.0 + n, BAD, storm=True) for n in range(3)]
    assert assess([*history("." * 20), *after]).state is State.BROKEN


def test_an_unknown_content_is_equal_to_no_other() -> None:
    seen = [one._replace(content="") for one in history("..F..F..F..F..F..F")]
    assert assess(seen[:-1]).state is State.FLAKY  # alone between passes, five times
    assert assess([one._replace(content="") for one in history("....F........F...")]).state is State.STABLE


def test_a_run_is_a_storm_when_a_third_of_many_cases_fail() -> None:
    assert storms({"a": (40, 100), "b": (3, 5), "c": (5, 100), "d": (0, 0)}) == {"a"}


HISTORIES = st.lists(st.text(st.sampled_from(".Frs"), max_size=8), max_size=12)


@given(HISTORIES, st.randoms(use_true_random=False))
def test_the_order_in_which_attempts_are_given_does_not_matter(contents: list[str], shuffle: random.Random) -> None:
    seen = history(*contents)
    mixed = list(seen)
    shuffle.shuffle(mixed)
    assert assess(mixed) == assess(seen)


@given(HISTORIES)
def test_the_numbers_of_any_history_fit_together(contents: list[str]) -> None:
    found = said(*contents)
    assert 0 <= found.flakes <= found.trials <= found.attempts and found.flakes <= found.failures <= found.attempts
    assert 0 <= found.low <= found.rate <= found.high <= 1 and 0 <= found.flip_rate <= 1
    assert abs(found.streak) <= found.attempts and found.reasons
    if found.state is State.FLAKY:
        assert found.flakes >= 2 and found.trials >= 10
    if found.state is State.BROKEN:
        assert found.streak <= -2
    if found.state is State.STABLE:
        assert found.streak > 0 and found.attempts >= 10


@given(st.lists(st.text(".", max_size=9), max_size=9))
def test_what_never_failed_is_never_called_flaky_or_broken(contents: list[str]) -> None:
    assert said(*contents).state in (State.STABLE, State.UNKNOWN)


@given(HISTORIES)
def test_failing_for_ever_is_broken_in_the_end_whatever_was_before(contents: list[str]) -> None:
    """A quarantine must not hide it: some streak is long enough for every history that ever passed or never ran."""
    assert said(*contents, "F" * 400).state is State.BROKEN


@given(HISTORIES)
def test_skipped_attempts_change_nothing(contents: list[str]) -> None:
    without = assess([one for one in history(*contents) if one.status is not Status.SKIPPED])
    assert said(*contents) == without
