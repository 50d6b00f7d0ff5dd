"""Bundles made on the spot: a tiny HTTP service of the standard library, told by its environment how to behave."""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import tarfile
from pathlib import Path
from typing import Any

from domain.place import Release
from domain.spec import Health
from domain.supply import Artifact

SERVICE = (Path(__file__).parent / "service.py").read_text()
QUICK = Health(grace=10.0, interval=0.05, timeout=2.0, successes=2, failures=2)


def archive(path: Path, files: dict[str, str], members: list[tarfile.TarInfo] | None = None) -> Artifact:
    """A .tar.gz of these files (and of these bare members), as an artifact with its true digest."""
    with gzip.GzipFile(path, "wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as bundle:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            bundle.addfile(info, io.BytesIO(text.encode()))
        for member in members or []:
            bundle.addfile(member)
    digest = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    return Artifact(kind="bundle", digest=digest, location=str(path), environment=sys.prefix)


def release(folder: Path, version: str, service: str = "shop", **changes: Any) -> Release:
    """A release of the tiny service whose bundle lies in `folder`."""
    artifact = archive(folder / f"{version}.tar.gz", {"service.py": SERVICE, "version.txt": version})
    values: dict[str, Any] = {
        "service": service,
        "version": version,
        "artifact": artifact,
        "command": ("python", "-S", "-u", "service.py", "${PORT}"),
        "health": QUICK,
        "drain": 1.0,
        "warm": 60.0,
    }
    return Release.model_validate(values | changes)
