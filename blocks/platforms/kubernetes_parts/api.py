"""One cluster's API, off the event loop, with its failures in our words.

Credentials come from a kubeconfig or from the pod that this runs in, read by the client library (it knows the
plugins of EKS, GKE and AKS); the requests are plain JSON, since server-side apply is about documents.
Source: Kubernetes API concepts, https://kubernetes.io/docs/reference/using-api/api-concepts/.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import ssl
import threading
import time
import weakref
from collections.abc import Mapping
from typing import Any

import httpx

from domain.errors import CapabilityError, PlatformError, Rejected, Unavailable

MANAGER = "test-execution-system"
TIMEOUT = 15.0  # seconds for one request
BUSY = frozenset((429, 500, 502, 503, 504))
TRIES = 4
LONGEST_PAUSE = 5.0
Document = dict[str, Any]


class Conflict(Exception):
    """The object is not the one that was read, or is there already."""


class Api:
    """The cluster of a kubeconfig's context; the cluster that this runs in where there is no kubeconfig."""

    def __init__(self, kubeconfig: str | None = None, context: str | None = None, timeout: float = TIMEOUT) -> None:
        self.kubeconfig, self.context, self.timeout = kubeconfig, context, timeout
        self._client: httpx.Client | None = None
        self._connecting = threading.Lock()

    async def get(self, path: str, **query: str) -> Document:
        """The object or the list. Rejected (404) when it is not there."""
        return await asyncio.to_thread(self._asked, "GET", path, query, None)

    async def find(self, path: str) -> Document | None:
        """The object, or None."""
        try:
            return await self.get(path)
        except NotThere:
            return None

    async def text(self, path: str, **query: str) -> str:
        """What is no JSON: a log."""
        return (await asyncio.to_thread(self._answer, "GET", path, query, None, "application/json")).text

    async def create(self, path: str, document: Document) -> Document:
        """Conflict when it is there."""
        return await asyncio.to_thread(self._asked, "POST", path, {"fieldManager": MANAGER}, document)

    async def replace(self, path: str, document: Document) -> Document:
        """In place of the one whose resourceVersion it has; Conflict for another."""
        return await asyncio.to_thread(self._asked, "PUT", path, {"fieldManager": MANAGER}, document)

    async def apply(self, path: str, document: Document) -> Document:
        """Server-side apply; with a resourceVersion, Conflict for another one."""
        query = {"fieldManager": MANAGER, "force": "true"}
        return await asyncio.to_thread(self._asked, "PATCH", path, query, document, "application/apply-patch+yaml")

    async def merge(self, path: str, document: Document) -> Document:
        """These fields alone become as said (JSON merge patch)."""
        return await asyncio.to_thread(self._asked, "PATCH", path, {}, document, "application/merge-patch+json")

    async def carry(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> httpx.Response:
        """What somebody behind a proxy of the API server answered, whatever that is, asked once. PlatformError where it
        is the API server itself that answers: we may not, or nobody is there."""
        return await asyncio.to_thread(self._carried, method, path, dict(headers), body)

    async def delete(self, path: str, seen: Mapping[str, str] | None = None) -> None:
        """It goes, and what it owns; harmless when it is gone. With its `uid` and `resourceVersion` as they were seen,
        Conflict when it is another one by now."""
        body = None if seen is None else {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": dict(seen)}
        try:
            await asyncio.to_thread(self._asked, "DELETE", path, {"propagationPolicy": "Background"}, body)
        except NotThere:
            return

    async def budgets(self, namespace: str) -> tuple[str, str]:
        """Where disruption budgets are, and the version of policy/ that the cluster has: v1 from 1.21 on."""
        group = await self.get("/apis/policy")
        version = "v1" if any(one["version"] == "v1" for one in group["versions"]) else "v1beta1"
        return f"/apis/policy/{version}/namespaces/{namespace}/poddisruptionbudgets", version

    def _asked(
        self, method: str, path: str, query: Mapping[str, str], body: Document | None, kind: str = "application/json"
    ) -> Document:
        answer = self._answer(method, path, query, body, kind)
        try:
            document = answer.json()
        except ValueError as error:
            raise Unavailable(f"{self._where()}: the answer to {method} {path} is not whole: {error}") from error
        if not isinstance(document, dict):
            raise Unavailable(f"{self._where()}: the answer to {method} {path} is no object")
        return document

    def _answer(
        self, method: str, path: str, query: Mapping[str, str], body: Document | None, kind: str
    ) -> httpx.Response:
        """Asks again where the cluster is busy, as long as it says so in Retry-After; everything said here is harmless
        said twice."""
        content = None if body is None else json.dumps(body).encode()
        renewed = False
        for attempt in range(TRIES):
            last = attempt == TRIES - 1
            try:
                answer = self._connected().request(
                    method, path, params=dict(query), content=content, headers={"Content-Type": kind}
                )
            except httpx.HTTPError as error:
                if last or method == "POST":
                    raise self._silent(error) from error
                time.sleep(_pause(attempt, None))
                continue
            if answer.status_code == 401 and not renewed:
                renewed = True  # tokens of cloud providers live for minutes
                self._forget()
                continue
            if answer.status_code in BUSY and not last:
                time.sleep(_pause(attempt, answer.headers.get("Retry-After")))
                continue
            if answer.is_success:
                return answer
            raise translated(answer, method, path, self._where())
        raise Unavailable(f"{self._where()} was busy {TRIES} times")

    def _carried(self, method: str, path: str, headers: dict[str, str], body: Any) -> httpx.Response:
        for renewed in (False, True):
            try:
                answer = self._connected().request(method, path, headers=headers, json=body)
            except httpx.HTTPError as error:
                raise self._silent(error) from error
            if not _own(answer):
                return answer
            if answer.status_code == 401 and not renewed:
                self._forget()
                continue
            why = translated(answer, method, path, self._where())
            raise why if isinstance(why, PlatformError) else Unavailable(str(why))
        raise AssertionError("unreachable")

    def _silent(self, error: Exception) -> Unavailable:
        return Unavailable(
            f"{self._where()} does not answer: {type(error).__name__} {error}".rstrip(),
            fix="see that it runs and is reached from here, or correct the block's `kubeconfig` and `context`",
        )

    def _where(self) -> str:
        return f"the cluster of {self.kubeconfig or os.environ.get('KUBECONFIG') or 'the default kubeconfig'}"

    def _connected(self) -> httpx.Client:
        with self._connecting:
            if self._client is None:
                self._client = connected(self.kubeconfig, self.context, self.timeout)
                weakref.finalize(self, self._client.close)
            return self._client

    def _forget(self) -> None:
        with self._connecting:
            self._client = None


def _own(answer: httpx.Response) -> bool:
    """Whether the API server speaks for itself: a Status object."""
    try:
        told = answer.json()
    except ValueError:
        return False
    return isinstance(told, dict) and (told.get("kind"), told.get("apiVersion")) == ("Status", "v1")


class NotThere(Rejected):
    """404."""


def translated(answer: httpx.Response, method: str, path: str, where: str) -> PlatformError | Conflict:
    """A failure in our words."""
    try:
        told = str(answer.json().get("message", "")) or answer.text
    except (ValueError, AttributeError):
        told = answer.text
    told = told.strip()[:400]
    match answer.status_code:
        case 401:
            return Rejected(
                f"{where} does not know who asks: {told}",
                fix="the credentials have expired or are of another cluster: renew them (aws eks update-kubeconfig, "
                "gcloud container clusters get-credentials, az aks get-credentials)",
            )
        case 403:
            return Rejected(
                f"{where} denies {method} {path}: {told}",
                fix="give the account that verb on that resource; docs/reference/kubernetes-platform.md has the Role",
            )
        case 404:
            return NotThere(f"{where}: {told}", fix="create it, or correct the block's `namespace`")
        case 409:
            return Conflict(told)
        case code if code in BUSY:
            return Unavailable(f"{where} answers {code}: {told}")
        case code:
            return Rejected(f"{where} refuses {method} {path} ({code}): {told}")


def _pause(attempt: int, said: str | None) -> float:
    """Seconds until the next try: as long as it was told, else longer each time, and never in step with others."""
    if said is not None and said.strip().isdigit():
        return min(LONGEST_PAUSE, float(said))
    longest: float = min(LONGEST_PAUSE, 0.2 * 2**attempt)
    return longest * random.uniform(0.5, 1.0)


def connected(kubeconfig: str | None, context: str | None, timeout: float) -> httpx.Client:
    """A client with the credentials of the kubeconfig, or of the pod that this runs in.

    CapabilityError without the client library, Rejected for a kubeconfig that cannot be used.
    """
    try:
        from kubernetes_asyncio import config
        from kubernetes_asyncio.client import Configuration
        from kubernetes_asyncio.config.config_exception import ConfigException
    except ImportError as error:
        raise CapabilityError(
            "the kubernetes platform needs the extra `kubernetes`, which is not installed",
            fix="pip install 'test-execution-system[kubernetes]'",
        ) from error
    found = Configuration()
    named = kubeconfig or os.environ.get("KUBECONFIG") or os.path.exists(os.path.expanduser("~/.kube/config"))
    if not named and not os.environ.get("KUBERNETES_SERVICE_HOST"):
        raise Rejected(
            "no cluster: KUBECONFIG is not set, there is no ~/.kube/config, and this is no pod",
            fix="name a kubeconfig in the block's `kubeconfig` or in KUBECONFIG",
        )
    try:
        if named:
            asyncio.run(config.load_kube_config(kubeconfig, context, client_configuration=found, persist_config=False))
        else:
            config.load_incluster_config(client_configuration=found)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError, ValueError, TypeError) as error:
        raise Rejected(
            f"no cluster: {error}",
            fix="name a kubeconfig in the block's `kubeconfig` or in KUBECONFIG, and a context that it has",
        ) from error
    return httpx.Client(
        base_url=found.host or "",
        headers=_authorization(found),
        verify=_verified(found),
        timeout=timeout,
        trust_env=False,
        proxy=found.proxy or None,
    )


def _authorization(found: Any) -> dict[str, str]:
    token = found.api_key.get("BearerToken") or found.api_key.get("authorization")
    if token:
        prefix = "" if token.startswith("Bearer ") else "Bearer "
        return {"Authorization": f"{prefix}{token}"}
    basic = found.get_basic_auth_token() if found.username else None
    return {"Authorization": basic} if basic else {}


def _verified(found: Any) -> ssl.SSLContext | bool:
    if not found.verify_ssl or found.host.startswith("http://"):
        return False
    context = ssl.create_default_context(cafile=found.ssl_ca_cert or None)
    if found.cert_file:
        context.load_cert_chain(found.cert_file, found.key_file)
    return context
