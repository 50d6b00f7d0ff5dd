"""Waits until pods that were told to go have gone: until then a client that keeps its connection is still theirs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Set

from blocks.platforms.kubernetes_parts.api import Api, Document
from blocks.platforms.kubernetes_parts.names import RELEASE, ROLE, Names

_POLL = 0.2


async def left(api: Api, names: Names, staying: Set[str], within: float) -> bool:
    """Whether all pods of releases other than `staying` (their label's values) have gone within so many seconds.

    False is no failure: one whose node is lost stays listed for minutes, and one that does not end when it is asked to
    is killed when its grace is over.
    """
    deadline = time.monotonic() + within
    while True:
        found = await api.get(names.pods, labelSelector=names.selector(**{ROLE: "copy"}))
        if all(_release(pod) in staying for pod in found["items"]):
            return True
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_POLL)


def _release(pod: Document) -> str:
    return str(pod["metadata"].get("labels", {}).get(RELEASE, ""))
