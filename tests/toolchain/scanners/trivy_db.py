"""A vulnerability database for Trivy with one made-up advisory, so that the real Trivy can be seen to find it offline.

Trivy's database is a bbolt file. Its format is public (https://github.com/etcd-io/bbolt, page.go and db.go): two meta
pages, a free list, and leaf pages, in which a small bucket is stored inline. The buckets are those of
https://github.com/aquasecurity/trivy-db: `<ecosystem>::<source>` / package / id, and `vulnerability` / id.
"""

from __future__ import annotations

import json
import struct
from datetime import datetime
from pathlib import Path

PAGE = 4096
META, FREE_LIST, LEAF = 0x04, 0x10, 0x02
BUCKET = 1
MAGIC, VERSION = 0xED0CDAED, 2
ADVISORY = "CVE-2099-0001"


def _header(page: int, kind: int, count: int) -> bytes:
    return struct.pack("<QHHI", page, kind, count, 0)


def _leaf(page: int, entries: dict[bytes, tuple[int, bytes]]) -> bytes:
    """A leaf page: (flags, value) by key, keys in order; positions count from their own element."""
    elements, data = b"", b""
    for number, (key, (flags, value)) in enumerate(sorted(entries.items())):
        position = (len(entries) - number) * 16 + len(data)
        elements += struct.pack("<IIII", flags, position, len(key), len(value))
        data += key + value
    return _header(page, LEAF, len(entries)) + elements + data


def _inline(entries: dict[bytes, bytes]) -> tuple[int, bytes]:
    """A bucket small enough to be stored as its own value: no root page."""
    return BUCKET, struct.pack("<QQ", 0, 0) + _leaf(0, {key: (0, value) for key, value in entries.items()})


def _checksum(data: bytes) -> int:
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return value


def _meta(page: int, root: int, pages: int, transaction: int) -> bytes:
    body = struct.pack("<IIIIQQQQQ", MAGIC, VERSION, PAGE, 0, root, 0, 2, pages, transaction)
    return _header(page, META, 0) + body + struct.pack("<Q", _checksum(body))


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def write(cache: Path, package: str, below: str, updated: datetime) -> None:
    """A database in Trivy's cache folder: that Python package has a HIGH vulnerability below that version."""
    source = b"pip::Made up"
    advisory = {"VulnerableVersions": [f"<{below}"], "PatchedVersions": [below]}
    details = {"Title": "Made up for a test", "Severity": "HIGH", "VendorSeverity": {"nvd": 3}}
    root = {
        source: (BUCKET, struct.pack("<QQ", 4, 0)),
        b"data-source": _inline(
            {source: _json({"ID": "made-up", "Name": "Made up", "URL": "https://example.invalid"})}
        ),
        b"vulnerability": _inline({ADVISORY.encode(): _json(details)}),
    }
    pages = (
        _meta(0, 3, 5, 0),
        _meta(1, 3, 5, 1),
        _header(2, FREE_LIST, 0),
        _leaf(3, root),
        _leaf(4, {package.encode(): _inline({ADVISORY.encode(): _json(advisory)})}),
    )
    folder = cache / "db"
    folder.mkdir(parents=True)
    (folder / "trivy.db").write_bytes(b"".join(page.ljust(PAGE, b"\0") for page in pages))
    when = updated.isoformat()
    (folder / "metadata.json").write_text(
        json.dumps({"Version": 2, "NextUpdate": when, "UpdatedAt": when, "DownloadedAt": when})
    )
