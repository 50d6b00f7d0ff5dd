"""The right to change the target: a lease that ends by itself, and a token that only grows.

The token is what makes it safe: a holder that slept through its lease is refused by number, whatever its clock says.
Method: fencing tokens, https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from blocks.platforms.local_agent.state import AgentState
from domain.errors import LockHeld, Rejected
from domain.place import Lease


class Leases:
    """Persisted with the agent's state, through `save`."""

    def __init__(self, state: AgentState, save: Callable[[], Awaitable[None]]) -> None:
        self._state, self._save = state, save

    async def acquire(self, holder: str, ttl: float) -> Lease:
        """The lease for `ttl` seconds; the same holder renews its own. LockHeld names another holder."""
        state, now = self._state, time.time()
        held = state.lease
        if held is not None and held.holder != holder and held.expires > now:
            until = datetime.fromtimestamp(held.expires, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            raise LockHeld(
                f"{held.holder} is changing {state.target} until {until}, {held.expires - now:.0f} s from now",
                fix="wait until it is done; if it is dead, the lease ends by itself at that time",
            )
        if held is None or held.holder != holder:
            state.token += 1
        lease = state.lease = Lease(target=state.target, holder=holder, token=state.token, expires=now + ttl)
        try:
            await self._save()
        except Rejected:
            if state.lease is lease:
                state.lease = held  # the token is spent: somebody may have seen it
            raise
        return lease

    async def give_back(self, lease: Lease) -> None:
        held = self._state.lease
        if held is not None and held.token == lease.token and held.holder == lease.holder:
            self._state.lease = None
            await self._save()

    def fence(self, lease: Lease) -> None:
        """Rejected for another target, or for a token older than the newest seen."""
        state = self._state
        if lease.target != state.target:
            raise Rejected(f"a lease on {lease.target} does not cover {state.target}")
        if lease.token < state.token:
            holder = f"{state.lease.holder} has" if state.lease else "somebody else had"
            raise Rejected(
                f"the lease of {lease.holder} on {lease.target} is over: its token {lease.token} is older than "
                f"{state.token}, which {holder}",
                fix="acquire the lease again, inspect, and go on from what is there",
            )
        state.token = max(state.token, lease.token)
