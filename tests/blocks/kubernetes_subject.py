"""The kubernetes platform under test, on whatever cluster KUBECONFIG names; everything is gone afterwards.

The service's source comes in the command, so that one image serves all versions and no registry is needed
(kubernetes_cluster.py says which). Its public requests are made inside the cluster.
"""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any, Self

from blocks.platforms.kubernetes import KubernetesPlatform
from blocks.platforms.kubernetes_parts.shares import shared
from domain.place import Release
from domain.spec import Health
from domain.supply import Artifact
from tests.blocks import kubernetes_cluster
from tests.blocks.bundles import SERVICE
from tests.blocks.image_contract import ImageSubject, Senders
from tests.blocks.platform_contract import TARGET

QUICK = Health(grace=40.0, interval=1.0, timeout=2.0, successes=1, failures=2)


class KubernetesSubject(ImageSubject):
    patience = 60.0
    tolerance = 0.1
    """Four standard deviations of 400 connections that are dealt out at random."""
    warm = 8.0
    artifact: Artifact

    def __init__(self, **options: Any) -> None:
        values: dict[str, Any] = {
            "namespace": f"tes-test-{uuid.uuid4().hex[:8]}",
            "pull": kubernetes_cluster.image()[1],
            "installation": "test",
        }
        self.platform = KubernetesPlatform(**values | options)
        self.api = self.platform._api()

    def twin(self, **options: Any) -> Self:
        other = type(self)(namespace=self.platform.namespace, pull=self.platform.pull, **options)
        other.artifact = self.artifact
        return other

    async def jobs_left(self) -> list[str]:
        return await listed(self, "jobs")

    async def load(self) -> Senders:
        return Senders(self)

    def nearest(self, weight: int) -> float:
        """One copy is stable's; what whole copies can give."""
        share = shared(1, weight, self.platform.most_copies)
        return share.candidate / (1 + share.more + share.candidate)

    def release(self, version: str, *, healthy: bool = True, **changes: Any) -> Release:
        values: dict[str, Any] = {
            "service": "shop",
            "version": version,
            "artifact": self.artifact,
            "command": ("python", "-S", "-u", "-c", SERVICE, "${PORT}"),
            "health": QUICK,
            "drain": 1.0,
            "warm": 60.0,
            "environment": {"HOST": "0.0.0.0", "LINGER": "1"} | ({} if healthy else {"BROKEN": "1"}),
        }
        return Release.model_validate(values | changes)

    async def send(self, number: int) -> Counter[str]:
        """A connection each: the cluster shares connections, not requests."""
        service = self.platform.place(TARGET).names.stem
        told = await kubernetes_cluster.send(self.api, self.platform.namespace, service, number)
        assert {answer.partition(" ")[0] for answer in told} <= {"200"}, told
        return Counter({answer.partition(" ")[2]: count for answer, count in told.items()})

    async def begin(self) -> None:
        """A namespace of its own: what another test left is still on its way out."""
        self.artifact = await kubernetes_cluster.begin(self.api, self.platform.namespace)
        if self.artifact.digest == kubernetes_cluster.NO_DIGEST:
            self.platform.pull = "Never"  # it was put onto the nodes, and no registry knows it

    async def clean(self) -> None:
        """The platform leaves nothing; the namespace goes by itself."""
        place = self.platform.place(TARGET)
        try:
            await place.end()
            kinds = (place.names.deployments, place.names.secrets, place.names.charters, place.names.services)
            left = [await self.api.get(kind, labelSelector=place.names.selector()) for kind in kinds]
            assert not any(one["items"] for one in left), left
        finally:
            await kubernetes_cluster.end(self.api, self.platform.namespace)


async def listed(subject: KubernetesSubject, kind: str) -> list[str]:
    """Names of this target's objects: `deployments`, `pods`, `jobs`, `secrets`, `services`."""
    names = subject.platform.place(TARGET).names
    found = await subject.api.get(getattr(names, kind), labelSelector=names.selector())
    return sorted(one["metadata"]["name"] for one in found["items"])
