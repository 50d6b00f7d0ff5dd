"""What Fargate has: pairs of processor and memory.

Source: Amazon ECS task definition parameters for Fargate, "Task size".
"""

from __future__ import annotations

import math

from domain.errors import Rejected
from domain.spec import Resources

# CPU units (1024 are one processor): the memory in MiB that goes with them.
_SIZES: dict[int, range | tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4097, 1024),
    1024: range(2048, 8193, 1024),
    2048: range(4096, 16385, 1024),
    4096: range(8192, 30721, 1024),
    8192: range(16384, 61441, 4096),
    16384: range(32768, 122881, 8192),
}


def size(resources: Resources) -> tuple[int, int]:
    """The smallest pair of CPU units and MiB with at least these. Rejected where Fargate has none as large."""
    cpu, memory = units(resources)
    for units_, sizes in _SIZES.items():
        fitting = [one for one in sizes if one >= memory]
        if units_ >= cpu and fitting:
            return units_, fitting[0]
    raise Rejected(
        f"Fargate has no task with {cpu / 1024:g} processors and {memory} MiB",
        fix="lower release.resources (at most 16 processors and 120 GiB), or set the block's launch_type: EC2",
    )


def units(resources: Resources) -> tuple[int, int]:
    """CPU units and MiB as asked for; a quarter of a processor and 512 MiB where nothing is."""
    return math.ceil((resources.cpus or 0.25) * 1024), resources.memory_mb or 512
