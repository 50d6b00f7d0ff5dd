"""The two platforms on Azure Container Instances under test, against our stand-in for Azure."""

from __future__ import annotations

from collections import Counter
from typing import Any, Self

from blocks.platforms.aci_parts.arm import Arm
from blocks.platforms.aci_parts.credentials import Credentials
from blocks.platforms.azure_container_instances import AzureContainerInstancesPlatform
from blocks.platforms.azure_container_instances_gateway import AzureContainerInstancesGatewayPlatform
from tests.blocks.azure_server import ROOT, Server
from tests.blocks.image_contract import ImageSubject, Senders
from tests.blocks.local_subject import client
from tests.blocks.platform_contract import TARGET


def given(server: Server) -> dict[str, Any]:
    """The fields of both blocks."""
    return {
        "subscription": "sub-1",
        "resource_group": "shops",
        "location": "westeurope",
        "blob_endpoint": f"{server.url}/blobs",
        "endpoint": server.url,
        "managed_identity": True,
    }


class AzureSubject(ImageSubject):
    """Behind Traffic Manager."""

    patience = 4.0
    warm = 3.0

    def __init__(self, server: Server, **options: Any) -> None:
        self.server = server
        self.platform: Any = self.made(**given(server) | options)
        self.hurry(10.0, 60.0)

    def made(self, **options: Any) -> Any:
        return AzureContainerInstancesPlatform(ttl=0, **options)

    def hurry(self, timeout: float, patience: float) -> None:
        """How long the block waits for an answer, and goes on asking."""
        arm = Arm(self.server.url, Credentials(managed=True), timeout=timeout, patience=patience)
        self.platform._kept = arm

    def twin(self, **options: Any) -> Self:
        return type(self)(self.server, **options)

    async def jobs_left(self) -> list[str]:
        return list(self.server.groups)

    async def next_copy(self) -> str:
        address = (await self.platform.inspect(TARGET)).address if not self._name else self._name
        self._name = address
        return await self.server.resolve_by_weight_stand_in(address.removeprefix("http://"))

    async def send(self, number: int) -> Counter[str]:
        """Each request after a resolution of its own."""
        self._name = ""
        answered: Counter[str] = Counter()
        async with client("http://nowhere") as asked:
            for _ in range(number):
                answer = await asked.get((await self.next_copy()) + "/")
                assert answer.status_code == 200, answer
                answered[answer.text] += 1
        return answered

    async def load(self) -> Senders:
        """Each resolves the name for each request: what Traffic Manager promises with its time to live."""
        return Senders(self)

    _name = ""


class GatewaySubject(AzureSubject):
    """Behind an application gateway, which was there before."""

    def made(self, **options: Any) -> Any:
        self.server.gateways.setdefault("edge", edge())
        return AzureContainerInstancesGatewayPlatform(gateway="edge", address="https://{service}.test", **options)

    async def next_copy(self) -> str:
        return await self.server.pool_stand_in("edge", "shop-pool")


def edge() -> dict[str, Any]:
    """A gateway with the rule shop-staging, and another one that nobody here may change."""
    path = f"{ROOT}/providers/Microsoft.Network/applicationGateways/edge"

    def rule(name: str, pool: str) -> dict[str, Any]:
        return {
            "name": name,
            "properties": {
                "ruleType": "Basic",
                "priority": 10,
                "backendAddressPool": {"id": f"{path}/backendAddressPools/{pool}"},
                "backendHttpSettings": {"id": f"{path}/backendHttpSettingsCollection/plain"},
            },
        }

    return {
        "id": path,
        "name": "edge",
        "etag": 'W/"first"',
        "location": "westeurope",
        "properties": {
            "sku": {"name": "Standard_v2", "tier": "Standard_v2", "capacity": 1},
            "backendAddressPools": [
                {"name": "shop-pool", "properties": {"backendAddresses": []}},
                {"name": "other-pool", "properties": {"backendAddresses": [{"fqdn": "other.example.com"}]}},
            ],
            "backendHttpSettingsCollection": [{"name": "plain", "properties": {"port": 8000, "protocol": "Http"}}],
            "requestRoutingRules": [rule("shop-staging", "shop-pool"), rule("other", "other-pool")],
        },
    }
