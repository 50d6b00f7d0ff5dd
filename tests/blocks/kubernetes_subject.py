"""The kubernetes platform under test, on whatever cluster KUBECONFIG names; everything is gone afterwards.

The cluster's owner names the images: `TES_KUBERNETES_IMAGE` has Python 3 as `python`, and is pulled as
`TES_KUBERNETES_PULL` says (Never, IfNotPresent, Always). The service's source comes in the command, so that one image
serves all versions and no registry is needed. `TES_KUBERNETES_HOST` is where NodePorts are reached.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from typing import Any

import httpx

from blocks.platforms.kubernetes import KubernetesPlatform
from blocks.platforms.kubernetes_parts.api import Conflict, Document
from domain.place import Release
from domain.spec import Health
from domain.supply import Artifact
from tests.blocks.bundles import SERVICE
from tests.blocks.platform_contract import TARGET

IMAGE = os.environ.get("TES_KUBERNETES_IMAGE", "tes-base:bookworm")
PULL = os.environ.get("TES_KUBERNETES_PULL", "Never" if IMAGE.startswith("tes-base:") else "IfNotPresent")
NAMESPACE = "tes-test-" + os.environ.get("PYTEST_XDIST_WORKER", "alone")
"""Tests that run at the same time see nothing of each other."""
QUICK = Health(grace=30.0, interval=1.0, timeout=2.0, successes=1, failures=2)


class KubernetesSubject:
    patience = 25.0
    tolerance = 0.15
    """Whole copies, and the cluster deals connections out at random: 1 % of ten copies is one of them."""

    def __init__(self, **options: Any) -> None:
        values: dict[str, Any] = {
            "namespace": NAMESPACE,
            "service_type": "NodePort",
            "host": os.environ.get("TES_KUBERNETES_HOST"),
            "pull": PULL,
            "installation": "test",
        }
        self.platform = KubernetesPlatform(**values | options)
        self.api = self.platform._api()

    def release(self, version: str, *, healthy: bool = True, **changes: Any) -> Release:
        values: dict[str, Any] = {
            "service": "shop",
            "version": version,
            "artifact": Artifact(kind="image", digest="sha256:" + "0" * 64, location=IMAGE),
            "command": ("python", "-S", "-u", "-c", SERVICE, "${PORT}"),
            "health": QUICK,
            "drain": 1.0,
            "warm": 60.0,
            "environment": {"HOST": "0.0.0.0"} | ({} if healthy else {"BROKEN": "1"}),
        }
        return Release.model_validate(values | changes)

    async def address(self) -> str:
        return (await self.platform.inspect(TARGET)).address

    async def send(self, number: int) -> Counter[str]:
        """A connection each: the cluster shares connections, not requests."""
        address, answered = await self.address(), Counter[str]()
        for _ in range(number):
            async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
                answer = await client.get(f"{address}/")
            assert answer.status_code == 200, answer.text
            answered[answer.text] += 1
        return answered

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def now(self) -> float:
        return time.time()

    async def begin(self) -> None:
        """A namespace of its own."""
        try:
            namespace: Document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
            await self.api.create("/api/v1/namespaces", namespace)
        except Conflict:
            await self.clean()

    async def clean(self) -> None:
        """Nothing that this platform created is left."""
        names = self.platform.place(TARGET).names
        await self.platform.place(TARGET).end()
        for _ in range(300):
            left = [
                await self.api.get(kind, labelSelector=names.selector()) for kind in (names.deployments, names.pods)
            ]
            if not any(one["items"] for one in left):
                return
            await asyncio.sleep(0.2)
        raise AssertionError(
            f"left in {NAMESPACE}: {[one['metadata']['name'] for kind in left for one in kind['items']]}"
        )

    async def dispose(self) -> None:
        await self.api.delete(f"/api/v1/namespaces/{NAMESPACE}")


async def listed(subject: KubernetesSubject, kind: str) -> list[str]:
    """Names of this target's objects: `deployments`, `pods`, `jobs`, `secrets`, `services`."""
    names = subject.platform.place(TARGET).names
    found = await subject.api.get(getattr(names, kind), labelSelector=names.selector())
    return sorted(one["metadata"]["name"] for one in found["items"])
