"""The lease on the agent's target, kept with its state. What it means is in `domain/leasing.py`."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from blocks.platforms.local_agent.state import AgentState
from domain import leasing
from domain.errors import Rejected
from domain.place import Lease


class Leases:
    """Persisted with the agent's state, through `save`."""

    def __init__(self, state: AgentState, save: Callable[[], Awaitable[None]]) -> None:
        self._state, self._save = state, save

    async def acquire(self, holder: str, ttl: float) -> Lease:
        """The lease for `ttl` seconds; the same holder renews its own. LockHeld names another holder."""
        state, now = self._state, time.time()
        held = state.lease
        lease = state.lease = leasing.taken(state.target, held, state.token, holder, ttl, now)
        state.token = lease.token
        try:
            await self._save()
        except Rejected:
            if state.lease is lease:
                state.lease = held  # the token is spent: somebody may have seen it
            raise
        return lease

    async def give_back(self, lease: Lease) -> None:
        if leasing.is_held(lease, self._state.lease):
            self._state.lease = None
            await self._save()

    def fence(self, lease: Lease) -> None:
        """Rejected for another target, or for a token older than the newest seen."""
        state = self._state
        leasing.fence(lease, state.target, state.lease, state.token)
        state.token = max(state.token, lease.token)
