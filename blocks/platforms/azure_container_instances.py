"""The platform `azure_container_instances`: copies are container groups, found by the names of Traffic Manager.

It can split traffic, by DNS: a weight is a share of the name's resolutions, and takes effect when the time to live of
the answer before is over. The same copies behind an application gateway, which cannot split, are a platform of their
own (`azure_container_instances_gateway`): what a platform can do is a matter of its class, which is known before a
block is loaded, and there `shift` is missing rather than refused.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from blocks.platforms.aci_parts.block import OnContainerInstances
from blocks.platforms.aci_parts.facing import Front
from blocks.platforms.aci_parts.names import Names
from blocks.platforms.aci_parts.traffic_manager import TrafficManager
from blocks.platforms.chartered import Splits
from domain.place import Capability, Target


class AzureContainerInstancesPlatform(Splits, OnContainerInstances):
    """Runs services on Azure Container Instances, behind a Traffic Manager profile for each.

    Example:
        ```python
        from blocks.platforms.azure_container_instances import AzureContainerInstancesPlatform

        platform = AzureContainerInstancesPlatform.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "Azure Container Instances Platform"
    _block_type_slug = "azure-container-instances-platform"
    _documentation_url = (
        "https://github.com/test-execution-system/test-execution-system/"  # type: ignore[assignment]
        "blob/main/docs/reference/azure-container-instances-platform.md"
    )

    capabilities: ClassVar[frozenset[Capability]] = frozenset(Capability) - {Capability.OBSERVES_TRAFFIC}

    ttl: int = Field(
        default=10,
        ge=0,
        le=3600,
        description="Seconds that clients keep an answer: how long a switch of traffic takes.",
    )

    def front(self, target: Target) -> Front:
        return TrafficManager(self.arm(), self.folder(), Names(target, self.installation), self.ttl)


PLATFORM = AzureContainerInstancesPlatform
