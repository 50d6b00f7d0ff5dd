"""The trend of the last runs as the coordinates of a small drawing: the pass rate as a line, the duration as bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.trend import TrendPoint

WIDTH, HEIGHT = 300.0, 80.0
MOST = 60


@dataclass(frozen=True, slots=True)
class Mark:
    """One run. `x` is the middle of its bar, `y` its pass rate, `top` that of its duration's bar."""

    point: TrendPoint
    x: float
    y: float
    top: float


@dataclass(frozen=True, slots=True)
class Sparkline:
    """Coordinates in WIDTH x HEIGHT. `low` is the pass rate (0..1) at the bottom, `longest` the seconds at the top."""

    marks: tuple[Mark, ...]
    bar: float
    low: float
    longest: float
    width: float = WIDTH
    height: float = HEIGHT

    @property
    def line(self) -> str:
        return " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in self.marks)


def sparkline(points: Sequence[TrendPoint]) -> Sparkline:
    """The newest MOST points, from left to right."""
    points = points[-MOST:]
    step = WIDTH / max(len(points), 1)
    longest = max((point.seconds for point in points), default=0.0)
    # A rate between 99 % and 100 % would be a flat line on a scale from 0: the scale begins a little below the lowest.
    lowest = min((point.pass_rate for point in points), default=0.0)
    low = max(0.0, min(lowest - (1 - lowest) * 0.25, 0.98))
    marks = tuple(
        Mark(
            point=point,
            x=step * (number + 0.5),
            y=5 + (HEIGHT - 10) * (1 - (point.pass_rate - low) / (1 - low)),
            top=HEIGHT - (HEIGHT - 8) * (point.seconds / longest if longest else 0.0),
        )
        for number, point in enumerate(points)
    )
    return Sparkline(marks, min(step * 0.62, 14), low, longest)
