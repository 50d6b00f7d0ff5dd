"""Foreign text made fit for a page: without terminal codes, and cut so that every one of many gets its fair share."""

from __future__ import annotations

import re
from collections.abc import Iterable

# ECMA-48: control sequences (colours, cursor), operating system commands (titles, links), and what is left of others.
_TERMINAL = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])"
)


def without_colours(text: str) -> str:
    """The text as a terminal would show it, without its colours, links and cursor movements."""
    return _TERMINAL.sub("", text) if "\x1b" in text else text


def cut(text: str, limit: int) -> str:
    """At most about `limit` characters: a third from the beginning, the rest from the end, where the error stands; what
    was left out is counted in between, in whole lines where the text has lines."""
    if len(text) <= limit:
        return text
    head, tail = text[: limit // 3], text[len(text) - (limit - limit // 3) :]
    if (at := head.rfind("\n")) > len(head) // 2:
        head = head[:at]
    if 0 <= (at := tail.find("\n")) < len(tail) // 2:
        tail = tail[at + 1 :]
    return f"{head}\n[... {len(text) - len(head) - len(tail)} characters left out ...]\n{tail}"


def fair_share(lengths: Iterable[int], budget: int, most: int) -> int:
    """The limit, at most `most`, at which texts of these lengths fit the budget together: the short ones stay whole,
    the long ones are all cut to the same length (max-min fairness)."""
    waiting = sorted(min(length, most) for length in lengths)
    left = max(0, budget)
    for number, length in enumerate(waiting):
        share = left // (len(waiting) - number)
        if length > share:
            return share
        left -= length
    return most


def first_line(text: str, limit: int = 300) -> str:
    """The first line that says something, on one line, at most `limit` characters."""
    line = next((line for line in without_colours(text[: limit * 20]).splitlines() if line.strip()), "")
    flat = " ".join(line.split())
    return flat if len(flat) <= limit else f"{flat[: limit - 1]}…"
