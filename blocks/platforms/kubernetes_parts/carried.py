"""A request to a pod or a Service through the API server, for whoever is outside of the cluster's network.

Source: Kubernetes, "Access services running on clusters": the proxy verbs of pods and services.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from blocks.platforms.kubernetes_parts.api import Api
from blocks.platforms.kubernetes_parts.names import Names
from domain.errors import Rejected
from domain.place import CopyState
from domain.spec import Request


async def carried(api: Api, names: Names, copy: CopyState | None, request: Request) -> tuple[int, str]:
    """Status and body of what the copy, or the public Service, answered. Rejected for a Service that has an address
    outside: its clients use that, so we do."""
    where = await _service(api, names) if copy is None else f"{names.pods}/{copy.name}:{urlsplit(copy.address).port}"
    path = f"{where}/proxy{request.path}"
    answer = await api.carry(request.method, path, request.headers, request.json_body)
    return answer.status_code, answer.text


async def _service(api: Api, names: Names) -> str:
    spec = (await api.get(names.service))["spec"]
    if spec["type"] != "ClusterIP":
        raise Rejected(f"the public address of {names.target} is not reached from here", fix="set the block's `host`")
    return f"{names.service}:{spec['ports'][0]['port']}"
