"""What is shipped and where it comes from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from domain.verdict import Value


class Source(Value):
    """A project's files at one moment. `digest` covers every path, mode and byte that the artifact is made of."""

    project: str
    root: str = Field(description="where a clean copy of the files lies")
    digest: str = Field(description="sha256:<hex> of the snapshot")
    revision: str | None = Field(None, description="git commit; None where there is no repository")
    ref: str | None = None
    dirty: bool = False
    files: int = 0
    size: int = Field(0, description="bytes")

    @property
    def version(self) -> str:
        """Short and unique per content: the commit when it says all, else the digest."""
        return self.revision[:12] if self.revision and not self.dirty else self.digest.removeprefix("sha256:")[:12]


class Artifact(Value):
    """What the builder made; `digest` names its content, `location` where it can be had."""

    kind: Literal["bundle", "image"]
    digest: str
    location: str
    environment: str | None = Field(None, description="a bundle's locked environment: the folder of its interpreter")
    lock_digest: str | None = None
    size: int = 0
    builder: str = ""
    built: str | None = Field(
        None, description="of an image that a registry has: the image's id, under which it was built"
    )
    created: float = Field(0.0, description="seconds since the epoch; not part of the digest")

    @property
    def content(self) -> str:
        """What was built: a registry gives the same image a digest of its own."""
        return self.built or self.digest
