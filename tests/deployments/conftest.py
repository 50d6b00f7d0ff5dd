"""One real Prefect server for the tests of this folder."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from cli import runtime


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[runtime.Runtime]:
    """A running runtime on a home of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TES_HOME", str(tmp_path_factory.mktemp("deployments") / "home"))
        yield asyncio.run(runtime.up())
        asyncio.run(runtime.down())
