"""What the two platforms on Azure Container Instances have in common: their fields, and who belongs to them."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

from pydantic import Field, PrivateAttr, SecretStr

from blocks.platforms.aci_parts import group, traffic_manager
from blocks.platforms.aci_parts.arm import Arm
from blocks.platforms.aci_parts.copies import Copies
from blocks.platforms.aci_parts.credentials import Credentials
from blocks.platforms.aci_parts.facing import Front
from blocks.platforms.aci_parts.names import Names, owned, target_of
from blocks.platforms.aci_parts.notebook import Notebook
from blocks.platforms.aci_parts.place import AzurePlace, Ways
from blocks.platforms.chartered import Chartered
from domain.errors import SpecError
from domain.place import Target

PUBLIC = "https://management.azure.com"


class OnContainerInstances(Chartered):
    """No platform by itself: it has no front."""

    poll: ClassVar[float] = 2.0

    subscription: str | None = Field(default=None, description="The subscription's id.")
    resource_group: str | None = Field(default=None, description="An existing resource group for everything made here.")
    location: str | None = Field(default=None, description="The region of the copies: westeurope.")
    storage_account: str | None = Field(
        default=None, description="An existing storage account, where charters lie: what was decided for each target."
    )
    storage_container: str = Field(default="tes", description="Its container; made when it is not there.")
    blob_endpoint: str | None = Field(
        default=None, description="The account's address where it is not https://<account>.blob.core.windows.net."
    )
    installation: str = Field(
        default="tes",
        pattern=r"^[a-z][a-z0-9-]{0,15}$",
        description="Begins every name. Installations that share a resource group see nothing of each other.",
    )
    endpoint: str = Field(default=PUBLIC, description="Azure Resource Manager; another one in sovereign clouds.")
    authority: str | None = Field(
        default=None, description="Microsoft Entra's address: login.microsoftonline.us. The public one when not set."
    )
    tenant: str | None = Field(default=None, description="With `client` and `client_secret`: a service principal.")
    client: str | None = Field(default=None, description="Its id, or that of a user-assigned managed identity.")
    client_secret: SecretStr | None = Field(default=None, description="The service principal's secret.")
    managed_identity: bool = Field(
        default=False, description="Use the identity of the machine. Else, without a secret: as `az login` left it."
    )
    subnet: str | None = Field(
        default=None, description="Resource id of a delegated subnet: copies get private addresses in it."
    )
    health_by: Ways = Field(
        default="asking",
        description="asking: flows ask each copy's health path themselves. probes: Azure's events, where flows do not "
        "reach the subnet.",
    )
    cpus: float = Field(default=1.0, gt=0, description="Processors of a copy whose release says nothing.")
    memory_mb: int = Field(default=1536, ge=100, description="Memory of a copy whose release says nothing, in MiB.")
    registry_server: str | None = Field(default=None, description="Where images are pulled from: shop.azurecr.io.")
    registry_username: str | None = Field(default=None, description="For pulling.")
    registry_password: SecretStr | None = Field(default=None, description="For pulling.")
    registry_identity: str | None = Field(
        default=None, description="Resource id of a user-assigned identity that may pull, instead of a password."
    )

    _kept: Arm | None = PrivateAttr(default=None)  # one connection, and its tokens, for all verbs

    @abstractmethod
    def front(self, target: Target) -> Front:
        """What shares the public's requests of this target."""

    @property
    def pulls(self) -> bool:
        """As PullsImages.pulls: Azure's clouds do, each at a `management.` of its own; a stand-in may run what its
        engine has."""
        return self.endpoint.startswith("https://management.")

    def place(self, target: Target) -> AzurePlace:
        """SpecError names the fields that are not set."""
        setting = group.Setting(
            location=str(self._need("location")),
            subnet=self.subnet,
            cpus=self.cpus,
            memory_mb=self.memory_mb,
            registry=self._registry(),
            identity=self.registry_identity,
        )
        copies = Copies(self.arm(), self.folder(), Names(target, self.installation), setting, self.poll)
        return AzurePlace(target, self.notebook(), copies, self.front(target), self.health_by)

    async def targets(self) -> Sequence[Target]:
        """Every target that has a charter."""
        return await self.notebook().targets()

    async def garbage(self) -> Sequence[str]:
        """Names of what this installation made and no charter wants: a client was killed, or a charter deleted."""
        return sorted([name async for name, _ in self._garbage()])

    async def collect(self) -> Sequence[str]:
        """That is gone; returns the names. Nothing without this installation's tags is touched."""
        found = [one async for one in self._garbage()]
        for _, url in found:
            await self.arm().delete(url, 300.0)
        return sorted(name for name, _ in found)

    async def _garbage(self) -> AsyncIterator[tuple[str, str]]:
        # Charters are read after the lists: what was listed and is not wanted by then was not made just now.
        groups, profiles = await self._made(_GROUPS, group.API), await self._made(_PROFILES, traffic_manager.API)
        charters = {target: await self.notebook().read(target) for target in await self.targets()}
        for one in groups:
            tags, kept = one["tags"], charters.get(target_of(one["tags"]))
            seats = {str(seat) for placed in kept.charter.releases for seat in placed.seats} if kept else set()
            # A copy on its way out may still be drained: whoever looks at its target removes it, unless nobody does.
            draining = kept is not None and int(tags.get("tes-seat", -1)) in kept.document.left
            over = float(tags.get("tes-until", 0)) < time.time()
            if (
                tags["tes-role"] == "job"
                and over
                or tags["tes-role"] == "copy"
                and not (tags.get("tes-seat") in seats or draining)
            ):
                yield one["name"], f"{self.folder()}{_GROUPS}/{one['name']}?api-version={group.API}"
        for one in profiles:
            if target_of(one["tags"]) not in charters:
                yield one["name"], f"{self.folder()}{_PROFILES}/{one['name']}?api-version={traffic_manager.API}"

    async def _made(self, kind: str, version: str) -> list[dict[str, Any]]:
        every = self.arm().every(f"{self.folder()}{kind}?api-version={version}")
        return [one async for one in every if owned(one.get("tags"), self.installation)]

    def arm(self) -> Arm:
        if self._kept is None:
            credentials = Credentials(
                self.tenant, self.client, self.client_secret, self.managed_identity, self.authority
            )
            self._kept = Arm(self.endpoint, credentials)
        return self._kept

    def folder(self) -> str:
        """The resource group's path."""
        return f"/subscriptions/{self._need('subscription')}/resourceGroups/{self._need('resource_group')}"

    def notebook(self) -> Notebook:
        endpoint = self.blob_endpoint or f"https://{self._need('storage_account')}.blob.core.windows.net"
        return Notebook(self.arm(), endpoint, self.storage_container, self.installation)

    def _registry(self) -> dict[str, str]:
        if self.registry_server and self.registry_identity:
            return {"server": self.registry_server, "identity": self.registry_identity}
        if self.registry_server and self.registry_username and self.registry_password:
            password = self.registry_password.get_secret_value()
            return {"server": self.registry_server, "username": self.registry_username, "password": password}
        return {}

    def _need(self, field: str) -> Any:
        value = getattr(self, field)
        if not value:
            raise SpecError(
                f"the block {type(self)._block_type_slug} has no {field}, without which nothing can be placed on Azure",
                fix=f"set {field} in the block and name it in environments.<name>.platform",
            )
        return value


_GROUPS = "/providers/Microsoft.ContainerInstance/containerGroups"
_PROFILES = "/providers/Microsoft.Network/trafficManagerProfiles"
