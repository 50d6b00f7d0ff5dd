"""Where a target's charter lies: a blob, replaced only by whoever has read the newest one (`If-Match`).

Not in the front's tags: those are 256 letters a value and 15 to 50 a resource, a charter with its notebook is several
kB; and a Traffic Manager profile has no ETag, so that two clients could both believe that they came first. A blob's
ETag is compared by the store itself, and a read after a write always sees it.
https://learn.microsoft.com/azure/storage/blobs/concurrency-manage
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, unquote

from defusedxml import ElementTree
from pydantic import Field

from blocks.platforms.aci_parts.arm import Arm, Changed, Gone
from blocks.platforms.chartered import Stale
from domain.charter import Charter
from domain.errors import Unavailable
from domain.place import Target
from domain.verdict import Value

SCOPE = "https://storage.azure.com/.default"
_VERSION = {"x-ms-version": "2023-11-03"}
_BLOB = {**_VERSION, "x-ms-blob-type": "BlockBlob", "Content-Type": "application/json"}


class Document(Value):
    """The charter, and when each seat was to get no request any more: its drain begins there."""

    charter: Charter
    left: dict[int, float] = Field(default_factory=dict, description="seconds since the epoch, by seat")


class Kept(NamedTuple):
    document: Document
    etag: str

    @property
    def charter(self) -> Charter:
        return self.document.charter


class Notebook:
    """All charters of an installation, in one container of a storage account."""

    def __init__(self, arm: Arm, endpoint: str, container: str, installation: str) -> None:
        self.arm, self.installation = arm, installation
        self.container = f"{endpoint.rstrip('/')}/{container}"

    def address(self, target: Target) -> str:
        # Quoted twice: the store takes one off, and what it calls the blob has two slashes whatever they are called.
        parts = (self.installation, target.environment, target.service)
        return f"{self.container}/{quote('/'.join(quote(part, safe='') for part in parts))}.json"

    async def read(self, target: Target) -> Kept | None:
        """The newest, or None."""
        try:
            answer = await self.arm.do("GET", self.address(target), headers=_VERSION, scope=SCOPE)
        except Gone:
            return None
        try:
            return Kept(Document.model_validate_json(answer.content), answer.headers["etag"])
        except (ValueError, KeyError) as error:
            raise Unavailable(f"the charter of {target} cannot be read from {self.address(target)}") from error

    async def begin(self, target: Target) -> None:
        """There is one, empty if there was none; the container is made when it is not there."""
        document = Document(charter=Charter(target=target))
        try:
            await self._write(target, document, {"If-None-Match": "*"})
        except Gone:
            await self._make_container()
            await self.begin(target)
        except Changed:
            return  # another has begun it

    async def swap(self, target: Target, etag: str, document: Document) -> str:
        """The new ETag. Stale when another one has come before. A repeated request finds its own first attempt: what
        lies there is what was to lie there, which is as good."""
        try:
            return await self._write(target, document, {"If-Match": etag})
        except (Changed, Gone) as error:
            there = await self.read(target)
            if there is not None and there.document == document:
                return there.etag
            raise Stale from error

    async def delete(self, target: Target) -> None:
        """It is gone; harmless when it was."""
        try:
            await self.arm.do("DELETE", self.address(target), headers=_VERSION, scope=SCOPE)
        except Gone:
            return

    async def targets(self) -> list[Target]:
        """Every target that has a charter."""
        found: list[Target] = []
        marker = ""
        while True:
            prefix = quote(f"{self.installation}/", safe="")
            url = f"{self.container}?restype=container&comp=list&prefix={prefix}&marker={quote(marker, safe='')}"
            try:
                answer = await self.arm.do("GET", url, headers=_VERSION, scope=SCOPE)
            except Gone:
                return found
            names, marker = listed(answer.content)
            for name in names:
                _, environment, service = name.removesuffix(".json").split("/")
                found.append(Target(service=unquote(service), environment=unquote(environment)))
            if not marker:
                return sorted(found, key=str)

    async def _write(self, target: Target, document: Document, condition: Mapping[str, str]) -> str:
        content = document.model_dump_json().encode()
        headers = {**_BLOB, **condition}
        answer = await self.arm.do("PUT", self.address(target), content=content, headers=headers, scope=SCOPE)
        return str(answer.headers["etag"])

    async def _make_container(self) -> None:
        try:
            await self.arm.do("PUT", f"{self.container}?restype=container", headers=_VERSION, scope=SCOPE)
        except Changed:
            return


def listed(content: bytes) -> tuple[list[str], str]:
    """Names of the blobs on one page, and the marker of the next, empty on the last."""
    root = ElementTree.fromstring(content.decode("utf-8-sig"))
    names = [name.text or "" for name in root.iterfind("Blobs/Blob/Name")]
    return [name for name in names if name.endswith(".json")], root.findtext("NextMarker") or ""
