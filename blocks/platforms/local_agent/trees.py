"""The unpacked bundles of a target's releases, and what their copies are started from."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from blocks.platforms.local_agent.copies import Plan
from blocks.platforms.local_agent.ledger import Ledger
from blocks.platforms.local_agent.state import safe_name
from blocks.platforms.local_agent.unpack import unpack
from domain.place import Release

KEPT_TREES = 5


class Trees:
    """`releases/<version>` of the ledger's folder."""

    def __init__(self, ledger: Ledger, log_size: int) -> None:
        self._ledger, self._log_size = ledger, log_size

    async def unpack(self, release: Release) -> None:
        """Its bundle's tree is there. Rejected as `unpack` says."""
        await asyncio.to_thread(unpack, release.artifact, self._folder(release))

    def plan(self, release: Release) -> Plan:
        folder = self._folder(release)
        try:
            secrets = json.loads((folder / "secrets.json").read_text())
        except FileNotFoundError:
            secrets = {}
        home = self._ledger.folder
        return Plan(
            self._ledger.state.target, release, folder / "tree", home / "logs", self._log_size, secrets, str(home)
        )

    def keep_secrets(self, release: Release, secrets: dict[str, str]) -> None:
        """So that a copy can be started again when the command that knew them has ended."""
        if secrets:
            self._ledger.write_secret(self._folder(release) / "secrets.json", json.dumps(secrets))

    def collect(self, used: Iterable[str]) -> None:
        """Keeps what runs and the newest few for a rollback; an older one is unpacked again from its bundle."""
        names = {safe_name(version) for version in used}
        folders = (self._ledger.folder / "releases").glob("*")
        for folder in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT_TREES:]:
            if folder.name not in names:
                shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, release: Release) -> Path:
        return self._ledger.folder / "releases" / safe_name(release.version)
