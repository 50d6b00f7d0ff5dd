"""A container image without an engine: one layer with one installed Python package, as `docker save` lays it out."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def write(path: Path, package: str, version: str, *, user: str) -> Path:
    """The archive at that path; returns the path."""
    installed = f"usr/lib/python3/site-packages/{package}-{version}.dist-info/METADATA"
    layer = _tar({installed: f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n".encode()})
    digest = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    configuration = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"User": user},
            "rootfs": {"type": "layers", "diff_ids": [digest]},
            "history": [{"created_by": "made for a test"}],
        }
    ).encode()
    manifest = [{"Config": "config.json", "RepoTags": ["shop:1"], "Layers": ["layer.tar"]}]
    path.write_bytes(
        _tar({"manifest.json": json.dumps(manifest).encode(), "config.json": configuration, "layer.tar": layer})
    )
    return path
