"""The ECS platform keeps the contract, on real containers, and what is particular about it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from prefect.blocks.core import Block

from blocks.platforms.ecs import EcsPlatform
from tests.blocks.aws_emulators import Emulators, running
from tests.blocks.block_suite import BlockSuite
from tests.blocks.docker_subject import can_make_images, make_images
from tests.blocks.ecs_subject import EcsSubject, listener, subject_at
from tests.blocks.platform_contract import PlatformContract

pytestmark = [
    pytest.mark.requires("docker", "ministack", "moto"),
    pytest.mark.skipif(not can_make_images(), reason="making images needs root and debootstrap"),
    pytest.mark.timeout(180),
]


@pytest.fixture(scope="module")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulators]:
    make_images()
    with running(tmp_path_factory.mktemp("aws")) as both:
        yield both


@pytest.fixture(scope="module")
def arn(emulators: Emulators) -> str:
    return listener(emulators)


@pytest.fixture
async def subject(emulators: Emulators, arn: str) -> AsyncIterator[EcsSubject]:
    async with subject_at(emulators, arn) as subject:
        yield subject


class TestContract(PlatformContract):
    pass


class TestBlock(BlockSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return EcsPlatform


suite = PlatformContract()
