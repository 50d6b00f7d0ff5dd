"""Which release takes the next request: nginx's smooth weighted round robin.

It interleaves (weights 9 and 1 give the small one every tenth request, not ten in a row), so that a canary's share is
exact over any window. Method: https://github.com/phusion/nginx/commit/27e94984486058d73157038f7950a0a36ecc6e35
"""

from __future__ import annotations

from collections.abc import Mapping


class Balance:
    """`choose` names a version by the weights set last; None while nobody has any."""

    def __init__(self) -> None:
        self._weights: dict[str, int] = {}
        self._current: dict[str, int] = {}
        self._total = 0

    @property
    def weights(self) -> Mapping[str, int]:
        return self._weights

    def set(self, weights: Mapping[str, int]) -> None:
        """From the next request on. Weights need not add up to 100."""
        kept = {version: weight for version, weight in weights.items() if weight > 0}
        if kept != self._weights:
            self._weights, self._total = kept, sum(kept.values())
            self._current = dict.fromkeys(kept, 0)

    def choose(self) -> str | None:
        if len(self._weights) < 2:
            return next(iter(self._weights), None)
        current = self._current
        for version, weight in self._weights.items():
            current[version] += weight
        chosen = max(current, key=current.__getitem__)
        current[chosen] -= self._total
        return chosen
