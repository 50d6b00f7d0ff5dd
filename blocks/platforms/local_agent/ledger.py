"""The agent's state on the disk: saved before a verb answers, or soon after what has happened already."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from blocks.platforms.local_agent.state import STATE_FILE, AgentState, write_durably
from domain.errors import Rejected

_log = logging.getLogger(__name__)


class Ledger:
    """Writes `state` to `folder`. Rejected, with the fix, when the disk does not take it."""

    def __init__(self, folder: Path, state: AgentState) -> None:
        self.folder, self.state = folder, state
        self._unsaved = False
        self._saving = asyncio.Lock()
        self._saving_soon: asyncio.Task[None] | None = None

    @property
    def unsaved(self) -> bool:
        """What is true now may not be on the disk yet."""
        return self._unsaved or self._saving.locked()

    def tick(self) -> None:
        """Tries again what could not be written."""
        if self._unsaved:
            self.save_soon()

    def save_soon(self) -> None:
        """Saved in a moment, or by a later tick: what has happened is not undone by a full disk."""
        self._unsaved = True
        if self._saving_soon is None or self._saving_soon.done():
            self._saving_soon = asyncio.create_task(self._save_quietly())

    async def _save_quietly(self) -> None:
        try:
            while self._unsaved:  # also what changed while the last text was on its way to the disk
                await self.save()
        except Rejected as error:
            self._unsaved = True
            _log.error("%s", error.message)

    async def save(self) -> None:
        """What is true now is on the disk. In a thread: requests do not wait for the disk."""
        try:
            async with self._saving:
                self._unsaved = False
                await asyncio.to_thread(write_durably, self.folder / STATE_FILE, self.state.model_dump_json(indent=1))
        except OSError as error:
            raise self._refusal(error) from error

    async def write(self, path: Path, text: str) -> None:
        """The same for another file of the folder."""
        try:
            await asyncio.to_thread(write_durably, path, text)
        except OSError as error:
            raise self._refusal(error) from error

    def write_secret(self, path: Path, text: str) -> None:
        """At once, for its owner's eyes only."""
        try:
            write_durably(path, text, 0o600)
        except OSError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: OSError) -> Rejected:
        return Rejected(
            f"the state of {self.state.target} cannot be written to {self.folder}: {error.strerror}",
            fix=f"free some space on the disk of {self.folder}",
        )
