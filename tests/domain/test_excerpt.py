"""Foreign text is shown without terminal codes, and is cut at the same length for all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.excerpt import cut, fair_share, first_line, without_colours


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;https://a.example\x1b\\link\x1b]8;;\x07", "link"),
        ("\x1b[2K\x1b[1Gagain", "again"),
        ("\x1b(Bplain \x1b7\x1b8", "plain "),
        ("no code [31m", "no code [31m"),
        ("cut off \x1b[", "cut off "),
    ],
)
def test_what_a_terminal_would_show_is_left(text: str, shown: str) -> None:
    assert without_colours(text) == shown


@given(st.text(), st.integers(30, 200))
def test_a_cut_text_keeps_both_ends_and_says_what_is_missing(text: str, limit: int) -> None:
    short = cut(text, limit)
    assert len(short) <= limit + 60
    assert short == text or (len(text) > limit and "characters left out" in short)


def test_it_is_cut_at_lines_where_there_are_some() -> None:
    text = "\n".join(f"line {n:04d}" for n in range(1000))
    head, _, tail = cut(text, 300).partition("\n[... ")
    assert head.splitlines()[-1] in text.splitlines() and tail.splitlines()[-1] == "line 0999"
    assert all(line in text.splitlines() for line in tail.splitlines()[1:])


@given(st.lists(st.integers(0, 5000), max_size=40), st.integers(0, 20_000), st.integers(1, 4000))
def test_shares_are_fair(lengths: list[int], budget: int, most: int) -> None:
    share = fair_share(lengths, budget, most)
    assert 0 <= share <= most
    assert sum(min(length, share) for length in lengths) <= budget or not lengths
    # As large as can be: one character more for everybody would not fit.
    assert share == most or sum(min(length, share + 1, most) for length in lengths) > budget


def test_the_first_line_that_says_something() -> None:
    assert first_line("\n \n\x1b[31m two   words\nmore") == "two words"
    assert first_line("x" * 400, 10) == "x" * 9 + "…"
    assert first_line("") == ""
