"""How requests are shared: by the public Service itself, or by a route of whatever the cluster has. Pure.

A switch is one change of one object, but for NGINX, whose candidate has a second Ingress.
Sources: Gateway API v1 HTTPRoute, https://gateway-api.sigs.k8s.io/api-types/httproute/; NGINX Ingress canaries,
https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/#canary; Istio VirtualService,
https://istio.io/latest/docs/reference/config/networking/virtual-service/.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from blocks.platforms.kubernetes_parts.names import POOL, PREFIX, ROLE, TRACK, Names, token
from domain.charter import Charter

Document = dict[str, Any]
Routing = Literal["copies", "gateway", "nginx", "istio"]
NOBODY = {POOL: "none"}
SHARES = f"{PREFIX}/shares"
KINDS: Mapping[Routing, str] = {"gateway": "HTTPRoute", "nginx": "Ingress", "istio": "VirtualService"}


def weights(charter: Charter) -> dict[str, int]:
    """Of each version that has requests, in percent."""
    return {one.release.version: one.weight for one in charter.releases if one.weight}


def selector(names: Names, charter: Charter) -> dict[str, str]:
    """The public Service's, where copies share requests: one release's own pods, or all that are in stable's pool."""
    now = weights(charter)
    base = names.labels()
    base.pop("app.kubernetes.io/managed-by")
    if not now:
        return {**base, **NOBODY}
    if len(now) == 1:
        return {**base, POOL: token(next(iter(now))), TRACK: "main"}
    return {**base, POOL: token(str(charter.stable))}


def paths(names: Names, routing: Routing) -> list[str]:
    """Where the routes of this kind are; none where the public Service is the route."""
    place = f"namespaces/{names.namespace}"
    match routing:
        case "copies":
            return []
        case "gateway":
            return [f"/apis/gateway.networking.k8s.io/v1/{place}/httproutes/{names.stem}"]
        case "istio":
            return [f"/apis/networking.istio.io/v1beta1/{place}/virtualservices/{names.stem}"]
        case "nginx":
            ingresses = f"/apis/networking.k8s.io/v1/{place}/ingresses/{names.stem}"
            return [ingresses, f"{ingresses}-canary"]


def documents(names: Names, charter: Charter, routing: Routing, wishes: Mapping[str, Any]) -> list[Document]:
    """What lies at those paths; nothing where nobody has requests.

    `wishes`: `host`, `gateway` (name or namespace/name), `ingress_class`.
    """
    now = weights(charter)
    if routing == "copies" or not now:
        return []
    metadata: Document = {
        "name": names.stem,
        "namespace": names.namespace,
        "labels": names.labels(**{ROLE: "route"}),
        "annotations": {SHARES: shares(charter)},
    }
    hosts = [wishes["host"]] if wishes.get("host") else []
    if routing == "gateway":
        namespace, _, name = str(wishes["gateway"]).rpartition("/")
        parent = {"name": name, **({"namespace": namespace} if namespace else {})}
        backends = [{"name": names.release(v), "port": 80, "weight": w} for v, w in now.items()]
        spec: Document = {"parentRefs": [parent], "rules": [{"backendRefs": backends}]}
        spec |= {"hostnames": hosts} if hosts else {}
        kind = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute"}
        return [{**kind, "metadata": metadata, "spec": spec}]
    if routing == "istio":
        to = [{"destination": {"host": names.release(v), "port": {"number": 80}}, "weight": w} for v, w in now.items()]
        spec = {"hosts": hosts or [names.stem], "http": [{"route": to}]}
        spec |= {"gateways": [wishes["gateway"]]} if wishes.get("gateway") else {}
        kind = {"apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService"}
        return [{**kind, "metadata": metadata, "spec": spec}]
    stable = str(charter.stable) if charter.stable in now else next(iter(now))
    candidate = next((version for version in now if version != stable), stable)
    share = now[candidate] if candidate != stable else 0
    prefix = "nginx.ingress.kubernetes.io"
    told = {f"{prefix}/canary": "true", f"{prefix}/canary-weight": str(share)}
    return [
        _ingress(metadata, names.stem, names.release(stable), wishes, {}),
        _ingress(metadata, f"{names.stem}-canary", names.release(candidate), wishes, told),
    ]


def shares(charter: Charter) -> str:
    """Who has how much of the requests, as one text."""
    return " ".join(f"{token(version)}={weight}" for version, weight in sorted(weights(charter).items()))


def _ingress(metadata: Document, name: str, to: str, wishes: Mapping[str, Any], told: Mapping[str, str]) -> Document:
    backend = {"service": {"name": to, "port": {"number": 80}}}
    rule: Document = {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    if wishes.get("host"):
        rule["host"] = wishes["host"]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {**metadata, "name": name, "annotations": {**metadata["annotations"], **told}},
        "spec": {"ingressClassName": wishes.get("ingress_class") or "nginx", "rules": [rule]},
    }
