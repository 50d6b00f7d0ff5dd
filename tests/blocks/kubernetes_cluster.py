"""The cluster that KUBECONFIG names, for tests: which image its pods run, a namespace for a test, and its end.

    python -m tests.blocks.kubernetes_cluster RUN       removes the namespaces of a run that was interrupted

The cluster's owner may say: `TES_KUBERNETES_IMAGE`, an image with Python 3 as `python` (any `python:3.x`), and
`TES_KUBERNETES_PULL`, how it is pulled (Always, IfNotPresent, Never). Where nothing is said, a Python that all nodes
have already is taken, and python:3.12-slim where they have none.
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from blocks.platforms.kubernetes_parts import pods
from blocks.platforms.kubernetes_parts.api import Api
from domain.errors import PlatformError
from domain.supply import Artifact

ROLE, RUN = "test-execution-system.io/role", "test-execution-system.io/run"
REACH = "reach"
PULLED = "python:3.12-slim"
NO_DIGEST = "sha256:" + "0" * 64
_DIGEST = re.compile("@(sha256:[0-9a-f]{64})$")
_KNOWN = re.compile(r"(.*/)?(python:3[.0-9]*(-\w+)?|tes-base:\w+)")


@functools.cache
def image() -> tuple[str, str]:
    """The image, and its pull policy."""
    named, pull = os.environ.get("TES_KUBERNETES_IMAGE"), os.environ.get("TES_KUBERNETES_PULL")
    if named is None:
        with ThreadPoolExecutor(1) as aside:  # who asks may be in a loop of its own
            named = aside.submit(asyncio.run, _on_all_nodes(Api())).result()
    return named or PULLED, pull or "IfNotPresent"


async def _on_all_nodes(api: Api) -> str | None:
    """A Python that needs no registry. None where nodes may not be seen, too."""
    try:
        nodes = (await api.get("/api/v1/nodes"))["items"]
    except PlatformError:
        return None
    names = [
        {name for one in node["status"].get("images", ()) for name in one["names"] or () if _KNOWN.fullmatch(name)}
        for node in nodes
    ]
    return min(set.intersection(*names), key=len, default=None) if names else None


async def create(api: Api, namespace: str) -> None:
    """The namespace, with the labels by which it is found when a run was interrupted."""
    labels = {ROLE: "test", RUN: os.environ.get("TES_KUBERNETES_RUN", "alone")}
    metadata = {"name": namespace, "labels": labels}
    await api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})


async def begin(api: Api, namespace: str) -> Artifact:
    """The namespace, and in it a client of services; returns its image, with the registry's digest where it has one.
    Fails with what to do where the client's pod cannot start."""
    await create(api, namespace)
    source = Path(__file__).with_name("kubernetes_reach.py").read_text()
    name, pull = image()
    container = {"name": "app", "image": name, "imagePullPolicy": pull}
    container["command"] = ["python", "-S", "-u", "-c", source, "8000"]  # type: ignore[assignment]
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": REACH}, "spec": spec}
    place = f"/api/v1/namespaces/{namespace}/pods"
    await api.create(place, pod)
    deadline, answer = time.monotonic() + 180, None
    while answer is None:
        here = await api.get(f"{place}/{REACH}")
        _, trouble = pods.copy(here, ())
        late = "it is not there after 180 s" if time.monotonic() > deadline else ""
        if trouble or late:
            told = f"the cluster starts no pod of {name} (imagePullPolicy {pull}): {trouble or late}"
            raise AssertionError(f"{told}: name an image with python in TES_KUBERNETES_IMAGE, TES_KUBERNETES_PULL")
        if here["status"].get("phase") == "Running":
            answer = await _ask(api, namespace, {})
        await asyncio.sleep(0.1)
    known = _DIGEST.search(here["status"]["containerStatuses"][0].get("imageID", ""))
    return Artifact(kind="image", digest=known[1] if known else NO_DIGEST, location=name)


async def send(api: Api, namespace: str, service: str, number: int, path: str = "/") -> dict[str, int]:
    """Requests to a Service from inside the cluster, a connection each: how often each `status text` came."""
    spec = (await api.get(f"/api/v1/namespaces/{namespace}/services/{service}"))["spec"]
    port = str(spec["ports"][0]["port"])
    query = {"host": spec["clusterIP"], "port": port, "at": path, "number": str(number)}
    answer = await _ask(api, namespace, query)
    assert answer is not None, f"the client in {namespace} does not answer through the API server"
    return answer


async def keep(api: Api, namespace: str, service: str, seconds: float) -> dict[str, float]:
    """One kept connection: at which second each `status text` came for the last time. `api` must be patient enough."""
    spec = (await api.get(f"/api/v1/namespaces/{namespace}/services/{service}"))["spec"]
    query = {"host": spec["clusterIP"], "port": str(spec["ports"][0]["port"]), "at": "/", "kept": str(seconds)}
    answer = await _ask(api, namespace, query)
    assert answer is not None, f"the client in {namespace} does not answer through the API server"
    return answer


async def _ask(api: Api, namespace: str, query: dict[str, str]) -> dict[str, Any] | None:
    """Through the API server, which reaches every pod; None where the client does not listen yet."""
    try:
        return await api.get(f"/api/v1/namespaces/{namespace}/pods/{REACH}:8000/proxy/", **query)
    except PlatformError:
        return None


async def end(api: Api, namespace: str) -> None:
    await api.delete(f"/api/v1/namespaces/{namespace}")


async def left_by(api: Api, run: str) -> list[str]:
    """Namespaces of a run, which go."""
    found = (await api.get("/api/v1/namespaces", labelSelector=f"{ROLE}=test,{RUN}={run}"))["items"]
    names = [str(one["metadata"]["name"]) for one in found if not one["metadata"].get("deletionTimestamp")]
    for name in names:
        await end(api, name)
    return names


if __name__ == "__main__":
    gone = asyncio.run(left_by(Api(), sys.argv[1]))
    if gone:
        print(f"removed what was left: {', '.join(gone)}")
