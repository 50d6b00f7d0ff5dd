"""A stand-in for Azure for one test, and the credentials that it gives."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from blocks.platforms.aci_parts.block import OnContainerInstances
from tests.blocks.azure_server import Server, serving
from tests.blocks.images import make_images

MARK = "test-" + os.environ.get("PYTEST_XDIST_WORKER", "alone")
"""Tests that run at the same time see nothing of each other."""


@pytest.fixture(scope="session", name="azure_images")
def azure_images_fixture() -> None:
    make_images()


@pytest.fixture(name="azure")
async def azure_fixture(azure_images: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    async with serving(MARK) as server:
        # As the App Service gives a managed identity: azure-identity asks for tokens there.
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "of-the-test")
        monkeypatch.setattr(OnContainerInstances, "poll", 0.1)
        yield server
