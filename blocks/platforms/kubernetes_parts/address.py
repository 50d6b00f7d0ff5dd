"""Where a target's public address is, as clients are told."""

from __future__ import annotations

from blocks.platforms.kubernetes_parts.api import Api, Document
from blocks.platforms.kubernetes_parts.names import Names
from blocks.platforms.kubernetes_parts.routes import Routing
from domain.errors import Unavailable


async def public(api: Api, names: Names, service: Document, routing: Routing, host: str | None) -> str:
    """`http://host:port`; empty while a load balancer has none yet. `host` is the block's."""
    port = service["spec"]["ports"][0]
    if routing != "copies":
        return f"http://{host or names.stem}"
    if service["spec"]["type"] == "NodePort":
        return f"http://{host or await _node(api)}:{port['nodePort']}"
    if service["spec"]["type"] == "LoadBalancer":
        given = service.get("status", {}).get("loadBalancer", {}).get("ingress") or [{}]
        name = host or given[0].get("hostname") or given[0].get("ip")
        return f"http://{name}:{port['port']}" if name else ""
    return f"http://{host or f'{names.stem}.{names.namespace}.svc'}:{port['port']}"


async def _node(api: Api) -> str:
    """A node's address, one inside the cluster's network if there is."""
    nodes = await api.get("/api/v1/nodes")
    told = [one for node in nodes["items"] for one in node["status"].get("addresses", ())]
    told.sort(key=lambda one: one["type"] != "InternalIP")
    if not told:
        raise Unavailable("the cluster names no address of a node", fix="set the block's `host`")
    return str(told[0]["address"])
