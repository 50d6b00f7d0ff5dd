"""The kubernetes platform under test, on whatever cluster KUBECONFIG names; everything is gone afterwards.

The cluster's owner names the images: `TES_KUBERNETES_IMAGE` has Python 3 as `python`, and is pulled as
`TES_KUBERNETES_PULL` says (Never, IfNotPresent, Always). The service's source comes in the command, so that one image
serves all versions and no registry is needed. `TES_KUBERNETES_HOST` is where NodePorts are reached.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections import Counter
from typing import Any

import httpx

from blocks.platforms.kubernetes import KubernetesPlatform
from blocks.platforms.kubernetes_parts.shares import shared
from domain.place import Release
from domain.spec import Health
from domain.supply import Artifact
from tests.blocks.bundles import SERVICE
from tests.blocks.platform_contract import TARGET, Subject

IMAGE = os.environ.get("TES_KUBERNETES_IMAGE", "tes-base:bookworm")
PULL = os.environ.get("TES_KUBERNETES_PULL", "Never" if IMAGE.startswith("tes-base:") else "IfNotPresent")
QUICK = Health(grace=30.0, interval=1.0, timeout=2.0, successes=1, failures=2)


class KubernetesSubject(Subject):
    patience = 25.0
    tolerance = 0.1
    """Four standard deviations of 400 connections that are dealt out at random."""
    warm = 8.0

    def __init__(self, **options: Any) -> None:
        values: dict[str, Any] = {
            "namespace": f"tes-test-{uuid.uuid4().hex[:8]}",
            "service_type": "NodePort",
            "host": os.environ.get("TES_KUBERNETES_HOST"),
            "pull": PULL,
            "installation": "test",
        }
        self.platform = KubernetesPlatform(**values | options)
        self.api = self.platform._api()

    def nearest(self, weight: int) -> float:
        """One copy is stable's; what whole copies can give."""
        share = shared(1, weight, self.platform.most_copies)
        return share.candidate / (1 + share.more + share.candidate)

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
        """A namespace of its own: what another test left is still on its way out."""
        metadata = {"name": self.platform.namespace, "labels": {"test-execution-system.io/role": "test"}}
        await self.api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    async def clean(self) -> None:
        """The platform leaves nothing; the namespace goes by itself."""
        place = self.platform.place(TARGET)
        try:
            await place.end()
            kinds = (place.names.deployments, place.names.secrets, place.names.charters, place.names.services)
            left = [await self.api.get(kind, labelSelector=place.names.selector()) for kind in kinds]
            assert not any(one["items"] for one in left), left
        finally:
            await self.api.delete(f"/api/v1/namespaces/{self.platform.namespace}")


async def listed(subject: KubernetesSubject, kind: str) -> list[str]:
    """Names of this target's objects: `deployments`, `pods`, `jobs`, `secrets`, `services`."""
    names = subject.platform.place(TARGET).names
    found = await subject.api.get(getattr(names, kind), labelSelector=names.selector())
    return sorted(one["metadata"]["name"] for one in found["items"])
