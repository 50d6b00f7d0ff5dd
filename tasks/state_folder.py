"""Where `tes test` keeps what it remembers, below TES_HOME. Without pydantic: `settings.py` takes too long to load."""

from __future__ import annotations

import json
import os
import zlib
from typing import Any


def home() -> str:
    """`TES_HOME`, absolute: what `settings().state` says."""
    # pydantic-settings takes the name in any case; so much freedom is not worth its time here.
    return os.path.abspath(os.path.expanduser(os.environ.get("TES_HOME") or "~/.local/state/tes"))


def project_key(project: str) -> str:
    """A name for a project's folder that tells people which one it is: `checkout-1f3a09c2`.

    A checksum, not a digest: hashlib alone takes a tenth of the time that the command may take before the tests start.
    """
    return f"{os.path.basename(project) or 'root'}-{zlib.crc32(os.fsencode(project)):08x}"


def read_json(path: str) -> Any:
    """What a file holds; None when there is none, or none that can be read: everything here can be made again."""
    try:
        with open(path, "rb") as file:
            return json.loads(file.read())
    except (OSError, ValueError):
        return None


def write_json(path: str, value: Any) -> None:
    """Replaces the file: a reader sees the old or the new one. A full disk or a foreign folder costs memory, no run."""
    beside = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(beside, "w", encoding="utf-8") as file:
            json.dump(value, file, separators=(",", ":"))
        os.replace(beside, path)
    except OSError:
        try:
            os.unlink(beside)
        except OSError:
            pass
