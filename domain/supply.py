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

    @property
    def names_a_registry(self) -> bool:
        """Whether the location says where an image can be had, as against on which engine it was built. One that does
        not would be looked for on Docker Hub, where anybody may have put another under that name."""
        host, slash, _ = self.location.partition("/")
        return bool(slash) and ("." in host or ":" in host or host == "localhost")

    @property
    def reference(self) -> str:
        """An image as a registry is asked for it: by digest where the location names a registry, so that what was
        judged is what runs wherever the tag has moved. A location without one is an image of an engine, and known
        there by its tag.

        Source: distribution reference, https://github.com/distribution/reference: the first part of a name is a
        registry's when it has a dot or a colon, or is `localhost`.
        """
        if "@" in self.location or not self.names_a_registry:
            return self.location
        name, colon, tag = self.location.rpartition(":")
        return f"{name if colon and '/' not in tag else self.location}@{self.digest}"
