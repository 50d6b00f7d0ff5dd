"""The clock as it was before any test put another in its place.

In a class: what freezes the time looks for the clock among the names of modules.
"""

from __future__ import annotations

import time as _time


class clock:  # noqa: N801 - it stands where the module `time` would
    time = staticmethod(_time.time)
    monotonic = staticmethod(_time.monotonic)
    perf_counter = staticmethod(_time.perf_counter)
    sleep = staticmethod(_time.sleep)
