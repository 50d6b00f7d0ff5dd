"""What the public meets: which copies, in which proportion, and the one who tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from domain.charter import Charter
from domain.place import Release


class Share(NamedTuple):
    """One copy that gets requests: where it is, of which version, and that version's weight (0..100)."""

    seat: int
    host: str
    version: str
    weight: int


@dataclass(frozen=True)
class Facing:
    """The weight of each host now, and the address of the public. `mark` is the ETag where there is one."""

    weights: Mapping[str, int]
    address: str = ""
    mark: str = ""


class Front(Protocol):
    """One target's. `linger`: seconds that clients go on asking a copy which was taken out. `seats`: most copies."""

    linger: float
    seats: int

    async def prepare(self, charter: Charter, release: Release) -> None:
        """Rejected where this release cannot be served; nothing else has moved by then."""
        ...

    async def read(self) -> Facing: ...

    def wanted(self, shares: Sequence[Share]) -> dict[str, int]:
        """What `read` says once these shares have been told."""
        ...

    async def write(self, charter: Charter, shares: Sequence[Share], seen: Facing) -> None:
        """They are told. Stale where another has changed it since it was seen."""
        ...

    async def end(self) -> None:
        """Nothing of the target is told any more."""
        ...
