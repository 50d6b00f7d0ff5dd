"""The platform that docs/how-to/add-a-platform.md shows keeps the contract, as it stands on the page."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from domain.place import Release
from tests.blocks import bundles
from tests.blocks.platform_contract import TARGET, PlatformContract, Subject

# Copies outlive whoever started them.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
PAGE = Path(__file__).resolve().parents[2] / "docs/how-to/add-a-platform.md"
# At the beginning of a line: the example in the block's own docstring is none.
PLATFORM, SUBJECT = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def _run(name: str, text: str, **known: Any) -> ModuleType:
    module = ModuleType(name)
    module.__dict__.update(known)
    sys.modules[name] = module  # pydantic looks a class's annotations up there
    exec(compile(text, str(PAGE), "exec", dont_inherit=True), module.__dict__)
    return module


platform = _run("documented_platform", PLATFORM)
words = (asyncio, time, httpx, bundles, Counter, Path, Any, Release, Subject, TARGET, PlatformContract)
names = (
    "asyncio",
    "time",
    "httpx",
    "bundles",
    "Counter",
    "Path",
    "Any",
    "Release",
    "Subject",
    "TARGET",
    "PlatformContract",
)
shown = _run("documented_subject", SUBJECT, ProcessesPlatform=platform.PLATFORM, **dict(zip(names, words, strict=True)))
TestContract = shown.TestContract


@pytest.fixture
async def subject(tmp_path: Path) -> AsyncIterator[Any]:
    subject = shown.ProcessesSubject(tmp_path)
    yield subject
    for target in await subject.platform.targets():
        await subject.platform.place(target).end()
