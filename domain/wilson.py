"""How sure a counted share is."""

from __future__ import annotations

import math

Z95 = 1.959963984540054
"""Two-sided 95 % of the normal distribution."""


def wilson(hits: int, trials: int, z: float = Z95) -> tuple[float, float]:
    """The interval of the probability behind `hits` of `trials`, as ratios 0..1; (0, 1) when nothing was tried.

    Unlike the textbook interval it stays within 0..1 and says something at 0 hits and in small samples, which is where
    flaky tests are met. ValueError when the counts cannot be.
    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22(158), 1927.
    """
    if not 0 <= hits <= trials:
        raise ValueError(f"{hits} of {trials} is no count")
    if not trials:
        return 0.0, 1.0
    share, square = hits / trials, z * z
    middle = share + square / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    low, high = ((middle + sign * half) / (1 + square / trials) for sign in (-1, 1))
    return (0.0 if not hits else max(0.0, low)), (1.0 if hits == trials else min(1.0, high))
