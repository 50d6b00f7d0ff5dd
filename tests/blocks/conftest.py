"""One local platform a test, in a home of its own; nothing of it is left running."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from blocks.platforms.local_agent import process
from tests.blocks.local_subject import LocalSubject


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[LocalSubject]:
    subject = LocalSubject(tmp_path)
    yield subject
    await subject.platform.stop_all()
    left = list(process.marked(f"{subject.home}/"))
    assert not left, f"processes left behind: {left}"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSubject]:
    """v1, stable, for the tests of one module that only send requests."""
    subject = LocalSubject(tmp_path_factory.mktemp("shared"))
    asyncio.run(subject.stable())
    yield subject
    asyncio.run(subject.platform.stop_all())
