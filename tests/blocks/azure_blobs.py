"""A store of blobs in memory, with ETags as the real one keeps them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import NamedTuple
from urllib.parse import unquote


class Said(NamedTuple):
    """An answer, before it is sent."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


def refused(status: int, code: str, message: str = "") -> Said:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message or code}\nRequestId:1</Message></Error>"
    return Said(status, body.encode(), {"x-ms-error-code": code, "Content-Type": "application/xml"})


@dataclass
class Blobs:
    """By container and name."""

    containers: dict[str, dict[str, tuple[bytes, str]]] = field(default_factory=dict)
    before: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def answer(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes, stale: bool
    ) -> Said:
        container, _, name = path.partition("/")
        if not headers.get("x-ms-version"):
            return refused(400, "MissingRequiredHeader")
        if query.get("restype") == "container":
            return self._container(method, container, query)
        blobs = self.containers.get(container)
        if blobs is None:
            return refused(404, "ContainerNotFound")
        name = unquote(name)
        here = blobs.get(name)
        if method == "PUT":
            return self._put(blobs, name, here, headers, body)
        if here is None:
            return refused(404, "BlobNotFound")
        if method == "DELETE":
            del blobs[name]
            return Said(202)
        content, etag = self.before.get(name, here) if stale else here
        return Said(200, content, {"ETag": etag, "Content-Type": "application/json"})

    def _put(
        self,
        blobs: dict[str, tuple[bytes, str]],
        name: str,
        here: tuple[bytes, str] | None,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Said:
        if headers.get("x-ms-blob-type") != "BlockBlob":
            return refused(400, "MissingRequiredHeader", "x-ms-blob-type")
        if headers.get("if-none-match") == "*" and here is not None:
            return refused(409, "BlobAlreadyExists")
        wanted = headers.get("if-match")
        if wanted is not None and (here is None or here[1] != wanted):
            return refused(412, "ConditionNotMet", "The condition specified is not met.")
        if here is not None:
            self.before[name] = here
        etag = f'"0x8DD{next(self._numbers):012X}"'
        blobs[name] = (body, etag)
        return Said(201, b"", {"ETag": etag})

    def _container(self, method: str, container: str, query: Mapping[str, str]) -> Said:
        if method == "PUT":
            if container in self.containers:
                return refused(409, "ContainerAlreadyExists")
            self.containers[container] = {}
            return Said(201)
        blobs = self.containers.get(container)
        if blobs is None:
            return refused(404, "ContainerNotFound")
        names = sorted(name for name in blobs if name.startswith(query.get("prefix", "")))
        rest = [name for name in names if name > query.get("marker", "")] if query.get("marker") else names
        page, more = rest[:2], rest[2:]  # pages of two, so that whoever reads one only is found out
        listed = "".join(f"<Blob><Name>{escape(name)}</Name></Blob>" for name in page)
        marker = f"<NextMarker>{escape(page[-1])}</NextMarker>" if more else "<NextMarker />"
        text = f"\ufeff<?xml version='1.0' encoding='utf-8'?><EnumerationResults><Blobs>{listed}</Blobs>{marker}"
        return Said(200, (text + "</EnumerationResults>").encode(), {"Content-Type": "application/xml"})
