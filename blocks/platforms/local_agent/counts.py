"""How a release answered: requests, errors and latencies over time, in bounded memory.

Fifth-seconds for two minutes, so that a bake that begins now counts nothing from before; five-seconds for two hours.
Latencies fall into classes that grow by 4 %, so that a percentile is off by 2 % at most.
"""

from __future__ import annotations

import math
from collections import deque

from domain.place import Traffic

_FINE, _FINE_KEPT, _COARSE, _COARSE_KEPT = 0.2, 120.0, 5.0, 7200.0
_GROWTH, _SMALLEST = math.log(1.04), 1e-5


class _Bucket:
    __slots__ = ("start", "requests", "errors", "classes")

    def __init__(self, start: float) -> None:
        self.start, self.requests, self.errors = start, 0, 0
        self.classes: dict[int, int] = {}

    def merge(self, other: _Bucket) -> None:
        self.requests += other.requests
        self.errors += other.errors
        for key, number in other.classes.items():
            self.classes[key] = self.classes.get(key, 0) + number


class Counts:
    """Times are seconds since the epoch, latencies seconds."""

    def __init__(self, began: float) -> None:
        self.began = began
        self._fine: deque[_Bucket] = deque()
        self._coarse: deque[_Bucket] = deque()

    def add(self, now: float, latency: float, error: bool) -> None:
        """One request that ended at `now`."""
        fine = self._fine
        start = int(now / _FINE + 1e-6) * _FINE
        if not fine or start > fine[-1].start:
            fine.append(_Bucket(start))
            self._age(now)
        bucket = fine[-1]
        bucket.requests += 1
        bucket.errors += error
        key = int(math.log(latency / _SMALLEST) / _GROWTH) if latency > _SMALLEST else 0
        bucket.classes[key] = bucket.classes.get(key, 0) + 1

    def _age(self, now: float) -> None:
        while self._fine[0].start < now - _FINE_KEPT:
            old = self._fine.popleft()
            if not self._coarse or old.start - self._coarse[-1].start >= _COARSE:
                self._coarse.append(_Bucket(old.start))
            self._coarse[-1].merge(old)
        while self._coarse and self._coarse[0].start < now - _COARSE_KEPT:
            self._coarse.popleft()

    def since(self, version: str, moment: float, now: float) -> Traffic:
        """What ended after `moment`, to a fifth of a second (five seconds where it is more than two minutes ago)."""
        total = _Bucket(moment)
        for bucket in (*self._coarse, *self._fine):
            if bucket.start >= moment - 1e-6:
                total.merge(bucket)
        covered = max(0.0, now - max(moment, self.began))
        p50, p95, p99 = (_percentile(total, share) for share in (0.50, 0.95, 0.99))
        return Traffic(
            version=version,
            requests=total.requests,
            errors=total.errors,
            seconds=covered,
            p50=p50,
            p95=p95,
            p99=p99,
        )


def _percentile(bucket: _Bucket, share: float) -> float:
    """The middle of the class that holds the nearest-rank percentile; 0.0 of nothing."""
    rank, seen = math.ceil(bucket.requests * share), 0
    for key in sorted(bucket.classes):
        seen += bucket.classes[key]
        if seen >= rank:
            return _SMALLEST * math.exp((key + 0.5) * _GROWTH)
    return 0.0
