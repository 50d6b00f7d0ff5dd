"""Copies of saved platform blocks, on the machine that used them: the way back must not need Prefect's server.

A copy holds what the block holds, its secrets too, and only its owner may read it, as with a kubeconfig. The server
is asked first and its word replaces the copy, so that a copy is read only while the server does not answer.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from domain.errors import SpecError, Unavailable
from settings import settings

if TYPE_CHECKING:
    from prefect.blocks.core import Block

WITHIN_S = 5.0
"""Seconds that the server has where there is a copy."""
SPARED_S = 30.0
"""Seconds for which a server that was away is not asked again: one command loads its platform several times."""
_away: dict[str, float] = {}
log = logging.getLogger(__name__)


async def loaded(reference: str, kind: type[Block]) -> Block:
    """The block of that name (`type/name`), from Prefect's server, else as it was when it was last used here.

    ValueError when the server has none: only then its copy is forgotten. Unavailable when neither can be
    had, SpecError when what was saved is not valid.
    """
    import asyncio

    import httpx
    from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    copy = _path(reference)
    here = copy.exists()
    server = PREFECT_API_URL.value()
    if here and not server:  # Prefect would start one of its own, for half a minute
        return _read(reference, copy, kind, "no Prefect server is configured")
    if here and server in _away and time.monotonic() - _away[server] < SPARED_S:
        return _read(reference, copy, kind, "")
    try:
        # With a copy at hand nobody waits for Prefect's client to try again and again.
        once = {PREFECT_CLIENT_MAX_RETRIES: 0} if here else {}
        with temporary_settings(once):
            async with asyncio.timeout(WITHIN_S if here else None):
                block = await kind.aload(reference.partition("/")[2])
    except ValidationError as error:
        raise SpecError(
            f"what is saved as {reference} is not valid: {'; '.join(_wrong(error))}",
            fix="correct the block in the Prefect UI, or save it again",
        ) from error
    except (httpx.HTTPError, PrefectHTTPStatusError, TimeoutError, OSError, ValueError) as error:
        if isinstance(error.__cause__, ObjectNotFound):
            copy.unlink(missing_ok=True)
            raise
        why = f"Prefect's server does not answer: {type(error).__name__} {error}".rstrip()
        if here:
            _away[str(server)] = time.monotonic()
            return _read(reference, copy, kind, why)
        raise Unavailable(
            f"the platform {reference} is not known here: {why}",
            fix="see that PREFECT_API_URL is right and its server runs; where the block was used before, it is kept",
        ) from error
    _keep(copy, block)
    return block


def _wrong(error: ValidationError) -> list[str]:
    """Fields and what is wrong with them; never a value, which may be a secret."""
    return [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False)]


def _path(reference: str) -> Path:
    return settings().state / "blocks" / f"{reference.replace('/', '--')}.json"


def _keep(copy: Path, block: Block) -> None:
    """Writes the copy, whole or not at all; a machine that cannot keep one goes on without."""
    text = json.dumps(block.model_dump(mode="json", context={"include_secrets": True}))
    unfinished = copy.with_suffix(f".{os.getpid()}.new")
    try:
        if copy.exists() and copy.read_text() == text:
            os.utime(copy)
            return
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            unfinished.unlink()
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        unfinished.replace(copy)
    except OSError as error:
        log.warning("%s is not kept for when Prefect's server is away: %s", copy.stem, error)


def _read(reference: str, copy: Path, kind: type[Block], why: str) -> Block:
    """The block from its copy; `why` is told, where it was not told before."""
    try:
        found: dict[str, Any] = json.loads(copy.read_text())
        block = kind.model_validate(found)
    except ValueError as error:
        raise SpecError(
            f"the copy of the platform {reference} in {copy} is of no use: {type(error).__name__}",
            fix="start Prefect's server, which has the block itself",
        ) from error
    if why:
        seen = time.strftime("%Y-%m-%d %H:%M", time.localtime(copy.stat().st_mtime))
        log.warning("%s: the platform %s is as it was on %s", why, reference, seen)
    return block
