"""Secrets of the stand-in for Secret Manager."""

from __future__ import annotations

import base64
import re
from typing import Any

from tests.blocks.cloud_run_world import Refused, StandInWorld, now


class StandInSecrets:
    def __init__(self, world: StandInWorld) -> None:
        self.world = world

    def create(self, parent: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        if name in self.world.secrets:
            raise Refused(409, f"Secret [{name}] already exists.", "ALREADY_EXISTS")
        self.world.secrets[name] = {**body, "name": f"{parent}/secrets/{name}", "createTime": now()}
        self.world.values[name] = []
        return self.world.secrets[name]

    def add(self, parent: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        self._there(name)
        self.world.values[name].append(base64.b64decode(body["payload"]["data"]))
        return self.versions(parent, name)[0]

    def versions(self, parent: str, name: str) -> list[dict[str, Any]]:
        """The newest first."""
        self._there(name)
        count = len(self.world.values[name])
        return [
            {"name": f"{parent}/secrets/{name}/versions/{n}", "state": "ENABLED", "createTime": now()}
            for n in range(count, 0, -1)
        ]

    def found(self, wanted: str) -> list[dict[str, Any]]:
        pairs = [re.fullmatch(r"labels\.([a-z-]+)=([a-z0-9-]+)", one) for one in wanted.split(" AND ")]
        if None in pairs:
            raise Refused(400, f"the stand-in does not know this filter: {wanted}")
        labels = {one[1]: one[2] for one in pairs if one}
        return [one for one in self.world.secrets.values() if labels.items() <= one.get("labels", {}).items()]

    def delete(self, name: str) -> dict[str, Any]:
        self._there(name)
        del self.world.secrets[name], self.world.values[name]
        return {}

    def _there(self, name: str) -> None:
        if name not in self.world.secrets:
            raise Refused(404, f"Secret [{name}] not found.")
