"""Who acts, for the records and the audit log."""

from __future__ import annotations

import getpass
import os

from settings import settings


def actor() -> str:
    """`TES_ACTOR`, else the login name."""
    try:
        return settings().actor or getpass.getuser()
    except (KeyError, OSError):  # a container's uid without a passwd entry
        return f"uid-{os.getuid()}"
