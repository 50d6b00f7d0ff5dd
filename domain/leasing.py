"""The right to change a target: a lease that ends by itself, and a token that only grows.

The token is what makes it safe: a holder that slept through its lease is refused by number, whatever its clock says.
Method: fencing tokens, https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html
"""

from __future__ import annotations

from datetime import UTC, datetime

from domain.errors import LockHeld, Rejected
from domain.place import Lease, Target


def taken(target: Target, held: Lease | None, token: int, holder: str, ttl: float, now: float) -> Lease:
    """The lease for `ttl` seconds; `held` was the last one, `token` the newest.

    The same holder renews its own and keeps its token; LockHeld names another holder, and when it ends.
    """
    if held is not None and held.holder != holder and held.expires > now:
        until = datetime.fromtimestamp(held.expires, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        raise LockHeld(
            f"{held.holder} is changing {target} until {until}, {held.expires - now:.0f} s from now",
            fix="wait until it is done; if it is dead, the lease ends by itself at that time",
        )
    renewed = held is not None and held.holder == holder
    return Lease(target=target, holder=holder, token=token if renewed else token + 1, expires=now + ttl)


def is_held(lease: Lease, held: Lease | None) -> bool:
    """Whether it is this one that is held."""
    return held is not None and (held.token, held.holder) == (lease.token, lease.holder)


def fence(lease: Lease, target: Target, held: Lease | None, token: int) -> None:
    """Rejected for another target, or for a token older than the newest seen."""
    if lease.target != target:
        raise Rejected(f"a lease on {lease.target} does not cover {target}")
    if lease.token < token:
        holder = f"{held.holder} has" if held else "somebody else had"
        raise Rejected(
            f"the lease of {lease.holder} on {target} is over: its token {lease.token} is older than {token}, "
            f"which {holder}",
            fix="acquire the lease again, inspect, and go on from what is there",
        )
