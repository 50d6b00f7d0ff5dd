"""How many copies give a release its share of new connections, where the cluster deals them out evenly.

A candidate shares requests by some copies of its own in the stable release's pool; where these would be too large a
share, more copies of stable join them. All of it beside the copies that each release has anyway.
Method: as Argo Rollouts without a traffic router, https://argo-rollouts.readthedocs.io/en/stable/features/canary/.
"""

from __future__ import annotations

from typing import NamedTuple


class Share(NamedTuple):
    """Copies of the candidate in the pool, and copies of stable that join its own."""

    candidate: int
    more: int


def shared(stable: int, weight: int, most: int) -> Share:
    """For a candidate with `weight` % (1..99) beside `stable` copies: the nearest share of at most `most` copies in
    all, or one more than stable has; the fewest copies of those that are as near."""
    found = Share(1, 0)
    nearest = float("inf")
    for total in range(stable + 1, max(stable + 1, most) + 1):
        for candidate in range(1, total - stable + 1):
            off = abs(100 * candidate / total - weight)
            if off < nearest - 1e-9:
                found, nearest = Share(candidate, total - stable - candidate), off
    return found
