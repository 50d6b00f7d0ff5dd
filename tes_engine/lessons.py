"""What a run found out that the next one need not: files whose cases fail unless all others have been imported.

Kept in pytest's own cache, with each file's digest: once one of them has been changed, it is tried by itself again.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import Any, Dict, Iterable, Optional

KEY = "tes/together"


def keep(config: Any, files: Iterable[str]) -> None:
    """These files are not to be run by themselves as long as they are as they are now."""
    cache = getattr(config, "cache", None)
    if cache is not None:
        cache.set(KEY, {file: _digest(config, file) for file in sorted(set(files))})


def together(config: Any) -> Optional[str]:
    """The first file that was seen to need the others, and is as it was then; None where there is none."""
    cache = getattr(config, "cache", None)
    known: Dict[str, Any] = (cache.get(KEY, None) or {}) if cache is not None else {}
    found = isinstance(known, dict) and [file for file, digest in known.items() if digest == _digest(config, file)]
    return found[0] if found else None


def _digest(config: Any, file: str) -> str:
    """Of its content; of no file's where it cannot be read."""
    try:
        with open(os.path.join(config.rootpath, file), "rb") as content:
            return blake2b(content.read(), digest_size=16).hexdigest()
    except OSError:
        return ""
