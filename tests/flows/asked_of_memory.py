"""Rollouts on the memory platform without a clock or sockets: what `verify` would see over HTTP is asked of it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from blocks.platforms import memory
from blocks.platforms.memory import MemoryPlatform
from domain.place import Target
from domain.verdict import Outcome, Verdict
from tasks import rollout as machinery
from tasks.verify import unhealthy


async def looked(platform: MemoryPlatform, target: Target, version: str, *_: object, **__: object) -> Verdict:
    """In place of `tasks.verify.verify`."""
    why = unhealthy((await platform.inspect(target)).of(version), version, 0)
    errors = (await platform.traffic(target, version, time.time())).errors
    bad = why or (f"{errors} errors" if errors else "")
    return Verdict(gate="verify", outcome=Outcome.FAIL if bad else Outcome.PASS, reasons=(bad,))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For every test of the module that imports it; their worlds are new."""
    monkeypatch.setattr(machinery, "verify", looked)
    monkeypatch.setattr(machinery, "PAUSE", 0.0)
    memory._WORLDS.clear()
    yield
    memory._WORLDS.clear()
