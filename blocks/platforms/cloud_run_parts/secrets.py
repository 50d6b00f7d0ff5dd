"""Secrets' values in Secret Manager, where a template names them: whoever may read the service cannot read them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from blocks.platforms.cloud_run_parts.answers import Conflict, Missing
from blocks.platforms.cloud_run_parts.api import Api
from blocks.platforms.cloud_run_parts.names import LABEL, Names, last

OWNER = f"{LABEL}owner"


class Secrets:
    """Of one project. `replicas`: the region that values are kept in; everywhere where it is None."""

    def __init__(self, api: Api, project: str, region: str | None) -> None:
        self.api, self.project, self.region = api, project, region

    async def keep(self, names: Names, owner: str, values: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """Each variable's secret and its version, made where it is not there. `owner` is the tag of the release or the
        name of the job that may use them."""
        return {variable: await self._kept(names, owner, variable, value) for variable, value in values.items()}

    async def _kept(self, names: Names, owner: str, variable: str, value: str) -> tuple[str, str]:
        name, what = names.secret(owner, variable), f"keeping the secret of {variable}"
        path = f"v1/projects/{self.project}/secrets"
        try:
            body = new_secret(names, owner, self.region)
            await self.api.call("POST", path, what, body=body, query={"secretId": name})
        except Conflict:
            versions = await self.api.every(f"{path}/{name}/versions", "versions", what, filter="state:ENABLED")
            if versions:
                return name, last(versions[0]["name"])
        added = await self.api.call("POST", f"{path}/{name}:addVersion", what, body=payload(value))
        return name, last(added["name"])

    async def of(self, labels: Mapping[str, str]) -> list[dict[str, Any]]:
        """Those that have all these labels."""
        wanted = " AND ".join(f"labels.{key}={value}" for key, value in labels.items())
        return await self.api.every(
            f"v1/projects/{self.project}/secrets", "secrets", "looking for secrets", filter=wanted
        )

    async def forget(self, names: Names) -> None:
        """All of the target are gone."""
        for one in await self.of(names.labels("secret")):
            await self.drop(one["name"])

    async def drop(self, name: str) -> None:
        """The secret of that id or full name is gone."""
        try:
            await self.api.call("DELETE", f"v1/projects/{self.project}/secrets/{last(name)}", "dropping a secret")
        except Missing:
            return


def new_secret(names: Names, owner: str, region: str | None) -> dict[str, Any]:
    """A secret without a value yet."""
    where = {"userManaged": {"replicas": [{"location": region}]}} if region else {"automatic": {}}
    return {"replication": where, "labels": {**names.labels("secret"), OWNER: owner}}


def payload(value: str) -> dict[str, Any]:
    """A version of it."""
    return {"payload": {"data": base64.b64encode(value.encode()).decode()}}
