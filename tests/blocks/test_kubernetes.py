"""The kubernetes platform keeps the contract, on a real cluster, and what is particular about it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from prefect.blocks.core import Block

from blocks.platforms.kubernetes import KubernetesPlatform
from tests.blocks.block_suite import BlockSuite
from tests.blocks.kubernetes_subject import KubernetesSubject
from tests.blocks.platform_contract import PlatformContract

pytestmark = [pytest.mark.requires("kubernetes"), pytest.mark.timeout(240)]


@pytest.fixture
async def subject() -> AsyncIterator[KubernetesSubject]:
    subject = KubernetesSubject()
    await subject.begin()
    yield subject
    await subject.clean()


class TestContract(PlatformContract):
    pass


class TestBlock(BlockSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return KubernetesPlatform
