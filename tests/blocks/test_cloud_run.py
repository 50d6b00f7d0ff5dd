"""The Cloud Run platform keeps the contract, against our stand-in for the API, with real containers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from prefect.blocks.core import Block

from blocks.platforms.cloud_run import CloudRunPlatform
from tests.blocks.block_suite import BlockSuite
from tests.blocks.docker_subject import can_make_images
from tests.blocks.platform_contract import PlatformContract

pytest.importorskip("google.cloud.run_v2", reason="google-cloud-run is not installed")

from tests.blocks.cloud_run_server import StandIn  # noqa: E402
from tests.blocks.cloud_run_subject import CloudRunSubject  # noqa: E402

pytestmark = [
    pytest.mark.requires("docker", "google-cloud-run"),
    pytest.mark.skipif(not can_make_images(), reason="making images needs root and debootstrap"),
    pytest.mark.timeout(180),
]


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    server = StandIn()
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def subject(server: StandIn) -> AsyncIterator[CloudRunSubject]:
    yield CloudRunSubject(server)
    server.empty()


class TestContract(PlatformContract):
    pass


class TestBlock(BlockSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return CloudRunPlatform
