"""The platforms on Azure Container Instances keep the contract, against a stand-in that runs real containers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from prefect.blocks.core import Block

from blocks.platforms.azure_container_instances import AzureContainerInstancesPlatform
from blocks.platforms.azure_container_instances_gateway import AzureContainerInstancesGatewayPlatform
from tests.blocks.aci_subject import AzureSubject, GatewaySubject
from tests.blocks.azure_fixtures import azure_fixture, azure_images_fixture  # noqa: F401 - fixtures
from tests.blocks.azure_server import Server
from tests.blocks.block_suite import BlockSuite
from tests.blocks.image_contract import ImageContract
from tests.blocks.images import can_make_images

pytestmark = [
    pytest.mark.requires("docker", "azure-mgmt"),
    pytest.mark.skipif(not can_make_images(), reason="making images needs root and debootstrap"),
    pytest.mark.timeout(180),
]


class TestBehindTrafficManager(ImageContract):
    @pytest.fixture
    async def subject(self, azure: Server) -> AsyncIterator[AzureSubject]:
        yield AzureSubject(azure)


class TestBehindAnApplicationGateway(ImageContract):
    @pytest.fixture
    async def subject(self, azure: Server) -> AsyncIterator[GatewaySubject]:
        yield GatewaySubject(azure)


class TestBlock(BlockSuite):
    @pytest.fixture(params=[AzureContainerInstancesPlatform, AzureContainerInstancesGatewayPlatform])
    def block(self, request: pytest.FixtureRequest) -> type[Block]:
        return request.param  # type: ignore[no-any-return]
