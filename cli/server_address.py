"""Which Prefect server a verb is about."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from domain.errors import SpecError
from settings import settings


def server_address(named: str | None) -> str:
    """The API of the Prefect server that `--api` names, or else the environment or Prefect's profile, asked
    last, because it is slow to ask. SpecError when none is named, or when it cannot be used."""
    found = named or settings().prefect_api_url or os.environ.get("PREFECT_API_URL")
    if not found:
        from prefect.settings import get_current_settings

        found = get_current_settings().api.url
    if not found:
        fix = "--api URL, or PREFECT_API_URL; `tes up` starts a server that needs no setup"
        raise SpecError("--api: no Prefect server is named", fix=fix)
    try:
        parts = urlsplit(found)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SpecError(f"--api {found}: this is no address", fix="such as http://prefect.example.org:4200/api")
    if parts.username or parts.password:
        fix = "PREFECT_API_AUTH_STRING in the environment or in the Prefect profile"
        raise SpecError("--api: an address that holds a password would be logged", fix=fix)
    return found.rstrip("/")
