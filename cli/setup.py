"""`tes setup`: makes a Prefect server that a team has already ready for this system."""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import asdict
from typing import Any

from cli.server_address import server_address
from domain.errors import SpecError


def setup(given: argparse.Namespace) -> int:
    """Registers pool, deployments and automation, says what was done, and returns 0. SpecError for words that cannot be
    used, Unavailable and Rejected as the server answers."""
    variables = _variables(given.set, given.image)
    api_url = server_address(given.api)
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
