"""The two platforms on Azure Container Instances under test, against our stand-in for Azure."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

from blocks.platforms.aci_parts.arm import Arm
from blocks.platforms.aci_parts.credentials import Credentials
from blocks.platforms.azure_container_instances import AzureContainerInstancesPlatform
from blocks.platforms.azure_container_instances_gateway import AzureContainerInstancesGatewayPlatform
from domain.place import Release
from domain.spec import Health
from domain.supply import Artifact
from tests.blocks.azure_server import ROOT, Server
from tests.blocks.docker_subject import image
from tests.blocks.local_subject import client
from tests.blocks.platform_contract import TARGET, Subject

QUICK = Health(grace=15.0, interval=0.1, timeout=2.0, successes=2, failures=2)
_MADE: dict[str, Artifact] = {}


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


class AzureSubject(Subject):
    """Behind Traffic Manager."""

    patience = 4.0
    warm = 3.0

    def __init__(self, server: Server, **options: Any) -> None:
        self.server = server
        self.platform: Any = self.made(**given(server) | options)
        self.hurry(2.0, 20.0)

    def made(self, **options: Any) -> Any:
        return AzureContainerInstancesPlatform(ttl=0, **options)

    def hurry(self, timeout: float, patience: float) -> None:
        """How long the block waits for an answer, and goes on asking."""
        arm = Arm(self.server.url, Credentials(managed=True), timeout=timeout, patience=patience)
        self.platform._kept = arm

    def release(self, version: str, *, healthy: bool = True, **changes: Any) -> Release:
        if version not in _MADE:
            _MADE[version] = image(version)
        values: dict[str, Any] = {
            "service": "shop",
            "version": version,
            "artifact": _MADE[version],
            "command": ("python", "-S", "-u", "service.py", "${PORT}"),
            "health": QUICK,
            "drain": 0.2,
            "warm": 60.0,
            "environment": {} if healthy else {"BROKEN": "1"},
        }
        return Release.model_validate(values | changes)

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

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def now(self) -> float:
        return time.time()

    _name = ""


class GatewaySubject(AzureSubject):
    """Behind an application gateway, which was there before."""

    def made(self, **options: Any) -> Any:
        self.server.gateways["edge"] = edge()
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
