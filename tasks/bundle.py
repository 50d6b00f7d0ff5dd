"""Builds the bundle: `store/artifacts/<sha256>.tar.gz` and its locked environment.

The same source gives the same bytes on any day: members sorted, times and owners zero, modes reduced to the x-bit, a
gzip header without name and time. (Another zlib may compress otherwise; the digest names the bytes that are shipped.)
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import io
import json
import os
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from domain.errors import TesError
from domain.spec import Spec
from domain.supply import Artifact, Source
from tasks import manifest, snapshot
from tasks.locked_environment import locked_environment

_LEVEL = 6


async def build_bundle(source: Source, spec: Spec, store: Path) -> Artifact:
    """The artifact of a source; what is there already is used again.

    Its `environment` is the folder of the virtual environment (its interpreter is bin/python in it).
    """
    store = store.absolute()
    archive, locked = await asyncio.gather(
        asyncio.to_thread(pack, source, store), locked_environment(source, spec.build, store)
    )
    return Artifact(
        kind="bundle",
        digest=f"sha256:{archive.name.removesuffix('.tar.gz')}",
        location=str(archive),
        environment=str(locked.folder),
        lock_digest=locked.lock_digest,
        size=archive.stat().st_size,
        builder="bundle",
        created=time.time(),
    )


def pack(source: Source, store: Path) -> Path:
    """The archive of a snapshot. TesError when the snapshot is damaged or the disk is full."""
    artifacts = store / "artifacts"
    pointer = artifacts / "sources" / f"{source.digest.removeprefix('sha256:')}.json"
    with snapshot.room(store):
        if (held := _held(artifacts, pointer)) is not None:
            return held
        artifacts.mkdir(parents=True, exist_ok=True)
        handle, half = tempfile.mkstemp(prefix=".packing-", dir=artifacts)
        try:
            with os.fdopen(handle, "wb") as raw:
                digest = _write(Path(source.root), snapshot.entries(source), raw)
            archive = artifacts / f"{digest}.tar.gz"
            os.chmod(half, 0o644)
            os.replace(half, archive)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(half)
        manifest.write(pointer, json.dumps({"digest": digest}))
    return archive


def _held(artifacts: Path, pointer: Path) -> Path | None:
    """The archive made earlier, if its bytes still are what its name says."""
    try:
        digest = json.loads(pointer.read_bytes())["digest"]
        with (artifacts / f"{digest}.tar.gz").open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == digest
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return artifacts / f"{digest}.tar.gz" if same else None


class _Written(io.RawIOBase):
    """Passes on what is written, and digests it."""

    def __init__(self, below: IO[bytes]) -> None:
        self.below = below
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # a buffer, which bytes stands for
        self.digest.update(data)
        return self.below.write(data)


class _Read(io.RawIOBase):
    """Gives what is read, and digests it."""

    def __init__(self, below: IO[bytes]) -> None:
        self.below = below
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self.below.read(size)
        self.digest.update(data)
        return data


def _write(root: Path, entries: Sequence[manifest.Entry], raw: IO[bytes]) -> str:
    output = _Written(raw)
    with (
        gzip.GzipFile("", "wb", _LEVEL, output, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        for entry in entries:
            info = tarfile.TarInfo(entry.path)
            info.mode = 0o755 if entry.kind == "x" else 0o644
            if entry.kind == "l":
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, os.readlink(root / entry.path), 0o777
                archive.addfile(info)
                continue
            info.size = entry.size
            with (root / entry.path).open("rb") as file:
                content = _Read(file)
                archive.addfile(info, content)
            if content.digest.hexdigest() != entry.sha:
                raise TesError(f"the snapshot's {entry.path} was changed", fix="run the flow again: it is taken anew")
    return output.digest.hexdigest()
