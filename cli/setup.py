"""`tes setup`: makes a Prefect server that a team has already ready for this system."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from domain.errors import SpecError
from settings import settings


def setup(given: argparse.Namespace) -> int:
    """Registers pool, deployments and automation, says what was done, and returns 0. SpecError for words that cannot be
    used, Unavailable and Rejected as the server answers."""
    variables = _variables(given.set, given.image)
    api_url = _api_url(given.api)
    from deployments.change import is_news
    from deployments.pools import pool_and_type
    from deployments.registration import setup as register
    from deployments.work_pool import Wanted

    name, kind = pool_and_type(given.pool)
    wanted = Wanted(name, kind, given.limit, variables)
    changes = asyncio.run(register(api_url, pool=wanted, project=given.project))
    news = is_news(changes)
    if given.json:
        document = {"api": api_url, "pool": name, "changed": news, "changes": [asdict(one) for one in changes]}
        print(json.dumps(document, indent=2))
        return 0
    for one in changes:
        print(f"{one.kind:<10}  {one.name:<36}  {one.did}{f'  ({one.why})' if one.why else ''}")
    print(f"\n{api_url} {'is ready' if news else 'was ready: nothing is changed'}; a worker for it:")
    print(f"  PREFECT_API_URL={api_url} prefect worker start --pool {name}")
    return 0


def _api_url(named: str | None) -> str:
    """The server's API. Prefect's own profile is asked last, because it is slow to ask."""
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


def _variables(words: list[str], image: str | None) -> dict[str, Any]:
    """`NAME=VALUE` as a template's variables; a value is JSON where it can be read as that."""
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise SpecError(f"--set {word}: NAME=VALUE is wanted", fix="such as --set network_mode=host")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    if image is not None:
        if not image.strip():
            raise SpecError("--image: the name is empty", fix="such as --image registry.example.org/tes:0.1.0")
        found["image"] = image
    return found
