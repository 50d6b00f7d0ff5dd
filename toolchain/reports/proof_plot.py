"""A proof as a drawing (SVG): requests a second stacked by version, failures, the 95th percentile, the rollout's steps.

Colours are Okabe and Ito's, which people who see colours differently can tell apart; a failure has a mark of its own
beside its colour. What the drawing shows stands in it as text, too, for whoever does not see it. No style sheet and no
script: the page it is put into may forbid both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape

from domain.proof import UNTOLD, Proof, Row, assess, shares
from toolchain.reports.junit_xml import printable

WIDTH, HEIGHT = 960, 400
LEFT, RIGHT, TOP, BOTTOM = 56, 56, 92, 40
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#f0e442")
_REST, _FAILED, _INK, _FAINT = "#b8b8b8", "#d00000", "#222222", "#dddddd"
_HALO = 'paint-order="stroke" stroke="#ffffff" stroke-width="3"'
MOST_MARKS = 12
"""Steps that get a name: more cannot be read."""


def svg(proof: Proof) -> str:
    """The drawing, a document of its own."""
    told = "; ".join(assess(proof).reasons)
    title = f"Requests during the rollout of {proof.version}"
    body = "\n".join(_drawn(proof) if proof.rows else [_text(WIDTH / 2, HEIGHT / 2, told, anchor="middle")])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-labelledby="title told" font-family="sans-serif" font-size="12" fill="{_INK}">\n'
        f'<title id="title">{_safe(title)}</title>\n<desc id="told">{_safe(told)}</desc>\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n'
        f"{_text(LEFT, 20, title, size=15)}\n{body}\n</svg>\n"
    )


def _drawn(proof: Proof) -> Iterator[str]:
    length = max(proof.seconds, proof.rows[-1].at + proof.width)
    most = _round_up(max(row.requests + row.unsent for row in proof.rows) / proof.width)
    slowest = _round_up(max(row.p95 for row in proof.rows) * 1000)
    across, up = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(at: float) -> float:
        return LEFT + across * at / length

    def y(share: float) -> float:
        return HEIGHT - BOTTOM - up * share

    names = [name for name in (proof.stable, proof.version) if name in proof.versions]
    names += sorted(name for name in proof.versions if name not in (*names, UNTOLD))
    colours = {name: _COLOURS[number % len(_COLOURS)] for number, name in enumerate(names)} | {UNTOLD: _REST}
    ordered = [*names, UNTOLD]
    yield from _axes(most, slowest, length, x, y)
    for number, name in enumerate(ordered):
        path = _area(proof, ordered[:number], name, most, x, y)
        if path:
            yield f'<path d="{path}" fill="{colours[name]}"/>'
    yield from _failures(proof.rows, proof.width, most, x, y)
    points = " ".join(f"{x(row.at + proof.width / 2):.1f},{y(row.p95 * 1000 / slowest):.1f}" for row in proof.rows)
    for colour, breadth in (("#ffffff", 3.5), (_INK, 1.5)):
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{breadth}"/>'
    yield from _marks(proof, x, y)
    yield from _legend(proof, ordered, colours)


def _area(
    proof: Proof,
    below: Sequence[str],
    name: str,
    most: float,
    x: Callable[[float], float],
    y: Callable[[float], float],
) -> str:
    """One bar a row, as a single path: what answered, above what stands below it."""
    bars = []
    for row in proof.rows:
        count = row.versions.get(name, 0)
        if count:
            foot = sum(row.versions.get(one, 0) for one in below) / proof.width / most
            left, right = x(row.at), x(row.at + proof.width)
            bottom, top = y(foot), y(foot + count / proof.width / most)
            bars.append(f"M{left:.1f} {bottom:.1f}V{top:.1f}H{right:.1f}V{bottom:.1f}z")
    return "".join(bars)


def _failures(
    rows: Sequence[Row], width: float, most: float, x: Callable[[float], float], y: Callable[[float], float]
) -> Iterator[str]:
    """Red from the foot of the bar on, as high as the failures are many, at least so high that one is seen; and a
    triangle under the axis."""
    for row in rows:
        lost = row.failed + row.unsent
        if lost:
            left, right, foot = x(row.at), x(row.at + width), y(0)
            top = min(foot - 3, y(lost / width / most))
            size = max(right - left, 1.5)
            yield f'<rect x="{left:.1f}" y="{top:.1f}" width="{size:.1f}" height="{foot - top:.1f}" fill="{_FAILED}"/>'
            middle = (left + right) / 2
            yield f'<path d="M{middle:.1f} {foot + 1:.1f}l4 7h-8z" fill="{_FAILED}"/>'


def _axes(
    most: float, slowest: float, length: float, x: Callable[[float], float], y: Callable[[float], float]
) -> Iterator[str]:
    for share in (0.0, 0.5, 1.0):
        line = y(share)
        yield f'<path d="M{LEFT} {line:.1f}H{WIDTH - RIGHT}" stroke="{_FAINT}"/>'
        yield _text(LEFT - 6, line + 4, f"{most * share:g}", anchor="end")
        yield _text(WIDTH - RIGHT + 6, line + 4, f"{slowest * share:g}")
    yield _text(LEFT - 6, TOP - 12, "requests/s", anchor="middle")
    yield _text(WIDTH - RIGHT + 6, TOP - 12, "p95 ms", anchor="middle")
    step = _round_up(length / 8)
    for number in range(int(length / step) + 1):
        yield _text(x(number * step), HEIGHT - BOTTOM + 22, f"{number * step:g} s", anchor="middle")


def _marks(proof: Proof, x: Callable[[float], float], y: Callable[[float], float]) -> Iterator[str]:
    last = -100.0
    for number, mark in enumerate(proof.marks):
        at = x(mark.at)
        yield f'<path d="M{at:.1f} {y(0):.1f}V{TOP}" stroke="{_INK}" stroke-dasharray="2 3" opacity="0.6"/>'
        if number < MOST_MARKS:
            # Steps that follow each other closely stand one beside the other, not one on the other.
            last = max(at, last + 11)
            turn = f' transform="rotate(-90 {last - 3:.1f} {y(0) - 4:.1f})" {_HALO}'
            yield _text(last - 3, y(0) - 4, mark.text, size=10, more=turn)


def _legend(proof: Proof, ordered: Sequence[str], colours: dict[str, str]) -> Iterator[str]:
    at = float(LEFT)
    shown = [(colours[name], shares({name: proof.versions[name]})) for name in ordered if proof.versions.get(name)]
    for colour, words in [*shown, (_FAILED, f"failed {proof.failed:,}"), (_INK, "p95")]:
        yield f'<rect x="{at:.0f}" y="{TOP - 56}" width="12" height="12" fill="{colour}"/>'
        yield _text(at + 17, TOP - 46, words)
        at += 34 + 6.8 * len(words)


def _text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 12, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{more}>{_safe(words)}</text>'


def _safe(words: str) -> str:
    """What a service says of itself may hold anything; XML may not."""
    return escape(printable(words))


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50 ...; 1 for nothing."""
    if value <= 0:
        return 1.0
    size = 10.0 ** int(f"{value:e}".partition("e")[2])
    return next(size * step for step in (1, 2, 5, 10) if size * step >= value * 0.999999)
