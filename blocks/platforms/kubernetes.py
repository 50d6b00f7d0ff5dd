"""The platform `kubernetes`: services run in a cluster, released by its own objects, with nothing of ours beside them.

Each release is a Deployment of its own. A switch is one change of one object, the public Service's selector or a
route's weights, so that going back never waits for a pod to start. EKS, GKE, AKS and clusters of one's own differ in
their kubeconfig alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, PrivateAttr, model_validator

from blocks.platforms.chartered import Splits
from blocks.platforms.kubernetes_parts.api import Api
from blocks.platforms.kubernetes_parts.carried import carried
from blocks.platforms.kubernetes_parts.garbage import GRACE_S, Garbage, Thing, key, told, unreferenced
from blocks.platforms.kubernetes_parts.leaving import left
from blocks.platforms.kubernetes_parts.manifests import LEAVING, Wishes
from blocks.platforms.kubernetes_parts.names import INSTALLATION, ROLE, Names, token
from blocks.platforms.kubernetes_parts.place import ClusterPlace
from blocks.platforms.kubernetes_parts.routes import Routing
from domain.charter import Charter
from domain.place import Capability, CopyState, Lease, Target
from domain.spec import Request

ENDING = 3.0
"""Seconds for a cluster to hear that a pod is to go, and to say that it has gone."""


class KubernetesPlatform(Splits):
    """Runs services as Deployments of a Kubernetes cluster.

    Example:
        ```python
        from blocks.platforms.kubernetes import KubernetesPlatform

        platform = KubernetesPlatform.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "Kubernetes Platform"
    _block_type_slug = "kubernetes-platform"
    _documentation_url = (
        "https://github.com/test-execution-system/test-execution-system/"  # type: ignore[assignment]
        "blob/main/docs/reference/kubernetes-platform.md"
    )

    capabilities: ClassVar[frozenset[Capability]] = frozenset(Capability) - {Capability.OBSERVES_TRAFFIC}

    kubeconfig: str | None = Field(
        default=None, description="Path; KUBECONFIG, ~/.kube/config or the pod's own account when it is not set."
    )
    context: str | None = Field(default=None, description="Of the kubeconfig; its current one when not set.")
    namespace: str = Field(default="default", pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", description="It exists.")
    installation: str = Field(
        default="tes",
        pattern=r"^[a-z0-9][a-z0-9-]{0,15}$",
        description="Begins every name. Installations that share a namespace see nothing of each other.",
    )
    routing: Routing = Field(
        default="copies",
        description="Who shares requests: the Service, by numbers of copies; a Gateway API HTTPRoute; NGINX Ingress "
        "with canary annotations; an Istio VirtualService.",
    )
    service_type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = Field(
        default="ClusterIP", description="Of the public Service, with `routing: copies`."
    )
    host: str | None = Field(
        default=None, description="Where the public is served: the route's host name, or a node's address for NodePort."
    )
    gateway: str | None = Field(default=None, description="The Gateway, `name` or `namespace/name`.")
    ingress_class: str = Field(default="nginx", description="With `routing: nginx`.")
    most_copies: int = Field(
        default=10, ge=2, le=100, description="In one pool while copies share requests: 10 give steps of 10 %."
    )
    propagation: float = Field(
        default=1.5, ge=0.0, le=60.0, description="Seconds that nodes or controllers are given to hear of a switch."
    )
    pull: Literal["Always", "IfNotPresent", "Never"] = Field(
        default="IfNotPresent", description="imagePullPolicy of every pod."
    )
    pull_secrets: list[str] = Field(default_factory=list, description="Secrets of the namespace, for the registry.")
    service_account: str | None = Field(default=None, description="Of every pod; none of the cluster's API otherwise.")
    pod: dict[str, Any] = Field(
        default_factory=dict, description="Laid over each pod's spec: nodeSelector, tolerations, volumes, ..."
    )
    timeout: float = Field(default=15.0, gt=0, le=300, description="Seconds that one request to the API may take.")

    _kept: Api | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _routed(self) -> KubernetesPlatform:
        if self.routing == "gateway" and not self.gateway:
            raise ValueError("routing: gateway needs `gateway`, the name of a Gateway in the cluster")
        if self.routing in ("nginx", "istio") and not self.host:
            raise ValueError(f"routing: {self.routing} needs `host`, the name that requests are made to")
        return self

    def place(self, target: Target) -> ClusterPlace:
        """The target in this cluster."""
        return ClusterPlace(
            self._api(),
            Names(target, self.namespace, self.installation),
            Wishes(self.pull, tuple(self.pull_secrets), self.service_account, self.pod),
            routing=self.routing,
            service_type=self.service_type,
            host=self.host,
            route={"host": self.host, "gateway": self.gateway, "ingress_class": self.ingress_class},
            most_copies=self.most_copies,
            propagation=self.propagation,
        )

    async def abort(self, lease: Lease, stable: str | None) -> None:
        """As HostsServices.abort. A client that keeps its connection is the candidate's until its pods have gone: where
        connections are shared and not requests, this waits for that, for at most their drain and a few seconds."""
        place = self.place(lease.target)
        before = (await place.charter()).releases if await place.begun() else ()
        drains = [one.release.drain for one in before if one.weight and one.release.version != stable]
        await super().abort(lease, stable)
        if self.routing == "copies" and drains:
            staying = {token(one.release.version) for one in (await place.charter()).releases}
            await left(self._api(), place.names, staying, LEAVING + max(drains) + ENDING)

    async def targets(self) -> Sequence[Target]:
        """As HostsServices.targets, in this namespace."""
        return sorted((one.target for one in await self._charters()), key=str)

    async def carry(self, target: Target, copy: CopyState | None, request: Request) -> tuple[int, str]:
        """As CarriesRequests.carry, by the API server's proxy."""
        return await carried(self._api(), self.place(target).names, copy, request)

    async def garbage(self) -> Sequence[str]:
        """As Collects.garbage, in this namespace."""
        return told(await self._left())

    async def collect(self) -> Sequence[str]:
        """As Collects.collect."""
        return told(await self._litter().remove(await self._left()))

    async def _charters(self) -> list[Charter]:
        charters = f"/api/v1/namespaces/{self.namespace}/configmaps"
        ours = f"{INSTALLATION}={self.installation},{ROLE}=charter"
        found = await self._api().get(charters, labelSelector=ours)
        return [Charter.model_validate_json(one["data"]["charter"]) for one in found["items"]]

    def _litter(self) -> Garbage:
        return Garbage(self._api(), self.namespace, self.installation, self.routing)

    async def _left(self, grace: float = GRACE_S) -> list[Thing]:
        """What is there is listed before the charters are read: what is placed meanwhile is wanted then."""
        things = await self._litter().listed()
        wanted = {key(one.target): self.place(one.target).wanted(one) for one in await self._charters()}
        return unreferenced(things, wanted, grace)

    def _api(self) -> Api:
        if self._kept is None:
            self._kept = Api(self.kubeconfig, self.context, self.timeout)
        return self._kept


PLATFORM = KubernetesPlatform
