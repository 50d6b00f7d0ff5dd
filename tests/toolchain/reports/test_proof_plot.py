"""The drawing of a proof shows what was counted, to whoever sees it and to whoever does not."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from domain.proof import Proof, impossible
from domain.proof_count import Answer, Counting
from toolchain.reports import proof_plot

SVG = "{http://www.w3.org/2000/svg}"
BEGAN = 1_700_000_000.0


def drawn(proof: Proof) -> ElementTree.Element:
    return ElementTree.fromstring(proof_plot.svg(proof))


def canary(*, version: str = "v2", lost: int = 3) -> Proof:
    """Twenty seconds of v1 at 10 a second, of which v2 answers half from second 5 to second 10."""
    counting = Counting(version, BEGAN)
    for number in range(200):
        at = number / 10
        new = 5 <= at < 10 and number % 2
        wrong = "status 500" if new and at < 5 + lost * 0.2 else ""
        counting.add(Answer(BEGAN + at, 0.02, version if new else "v1", wrong))
    marks = [(BEGAN + 5, "shift 50 %"), (BEGAN + 10, "abort")]
    return counting.told(20, stable="v1", rate=10, header="X-Release", marks=marks)


def texts(tree: ElementTree.Element) -> list[str]:
    return [str(one.text) for one in tree.iter(f"{SVG}text")]


def areas(tree: ElementTree.Element, colour: str) -> float:
    """What the bars of a colour cover, in pixels."""
    found = 0.0
    for path in tree.iter(f"{SVG}path"):
        if path.get("fill") == colour:
            for left, bottom, top, right in re.findall(r"M([\d.]+) ([\d.]+)V([\d.]+)H([\d.]+)V", str(path.get("d"))):
                found += (float(right) - float(left)) * (float(bottom) - float(top))
    return found


def test_who_answered_is_drawn_as_large_as_it_was() -> None:
    tree = drawn(canary())
    old, new = areas(tree, "#0072b2"), areas(tree, "#e69f00")
    assert 0.99 < old / new / (175 / 25) < 1.01
    assert {"v1 175", "v2 25", "failed 3", "shift 50 %", "abort"} <= set(texts(tree))


def test_seconds_with_failures_are_red_and_marked_and_others_are_not() -> None:
    for lost, seconds in ((0, 0), (3, 1), (8, 2)):
        tree = drawn(canary(lost=lost))
        red = [one for one in tree.iter(f"{SVG}rect") if one.get("fill") == "#d00000"]
        marks = [one for one in tree.iter(f"{SVG}path") if one.get("fill") == "#d00000"]
        assert (len(red) - 1, len(marks)) == (seconds, seconds)  # one is the legend's


def test_the_drawing_says_in_words_what_it_shows() -> None:
    tree = drawn(canary())
    assert tree.get("role") == "img"
    said = {one.get("id"): str(one.text) for one in tree if one.tag in (f"{SVG}title", f"{SVG}desc")}
    assert said["title"] == "Requests during the rollout of v2"
    assert "3 of 200 requests failed, the first at second 5: status 500" in said["told"]
    assert str(tree.get("aria-labelledby")).split() == list(said)


def test_a_proof_that_could_not_be_made_is_a_drawing_of_its_reason() -> None:
    assert "nothing was released before" in texts(drawn(impossible("v2", "nothing was released before")))


def test_what_a_service_calls_itself_is_shown_and_never_markup() -> None:
    tree = drawn(canary(version='<script>"&\x00'))
    assert not list(tree.iter(f"{SVG}script"))
    assert any("<script>" in text for text in texts(tree))


def test_a_long_rollout_makes_no_large_drawing() -> None:
    counting = Counting("v2", BEGAN)
    for number in range(20_000):
        counting.add(Answer(BEGAN + number, 0.02, ("v1", "v2")[number % 2], "lost" if number % 3 else ""))
    assert len(proof_plot.svg(counting.told(20_000, stable="v1"))) < 250_000
