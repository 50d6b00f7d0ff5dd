"""Where this copy runs and where its data lies. Read anew each time, so that tests can change it."""

from __future__ import annotations

import os
from pathlib import Path


def environment() -> str:
    """`staging`, `production`, `preview-...`, or `development` on a laptop."""
    return os.environ.get("TES_ENVIRONMENT", "development")


def version() -> str:
    return os.environ.get("TES_VERSION", "development")


def data() -> Path:
    """The folder of the database, outside of the code, so that every release of an environment shares it."""
    told = os.environ.get("CHECKOUT_DATA")
    base = Path(told) if told else Path.home() / ".local" / "share" / "checkout"
    # Previews come and go; one folder does for all of them.
    name = "preview" if environment().startswith("preview-") else environment()
    return base / name
