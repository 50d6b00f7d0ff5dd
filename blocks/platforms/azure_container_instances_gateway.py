"""The platform `azure_container_instances_gateway`: copies are container groups, behind an application gateway that is
there already.

Blue and green only: a backend pool has no weights. Why it is not a field of `azure_container_instances` is said there.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from blocks.platforms.aci_parts.block import OnContainerInstances
from blocks.platforms.aci_parts.facing import Front
from blocks.platforms.aci_parts.gateway import ApplicationGateway
from domain.place import Capability, Target


class AzureContainerInstancesGatewayPlatform(OnContainerInstances):
    """Runs services on Azure Container Instances, in the backend pools of an application gateway.

    Example:
        ```python
        from blocks.platforms.azure_container_instances_gateway import AzureContainerInstancesGatewayPlatform

        platform = AzureContainerInstancesGatewayPlatform.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "Azure Container Instances Gateway Platform"
    _block_type_slug = "azure-container-instances-gateway-platform"
    _documentation_url = (
        "https://github.com/test-execution-system/test-execution-system/"  # type: ignore[assignment]
        "blob/main/docs/reference/azure-container-instances-platform.md"
    )

    capabilities: ClassVar[frozenset[Capability]] = frozenset((Capability.HOSTS_SERVICES, Capability.RUNS_JOBS))

    gateway: str | None = Field(default=None, description="The application gateway's name.")
    gateway_group: str | None = Field(default=None, description="Its resource group where it is another one.")
    rule: str = Field(
        default="{service}-{environment}",
        description="The routing rule whose backend pool is this target's alone; {service} and {environment} are "
        "replaced.",
    )
    address: str | None = Field(
        default=None, description="Where the rule's listener serves the public: https://{service}.example.com."
    )

    def front(self, target: Target) -> Front:
        """SpecError names a field that is not set."""
        group = self.folder()
        if self.gateway_group:
            group = f"{group.rpartition('/')[0]}/{self.gateway_group}"
        rule, address = _filled(self.rule, target), _filled(str(self._need("address")), target)
        return ApplicationGateway(self.arm(), group, str(self._need("gateway")), rule, address)


def _filled(text: str, target: Target) -> str:
    return text.replace("{service}", target.service).replace("{environment}", target.environment)


PLATFORM = AzureContainerInstancesGatewayPlatform
