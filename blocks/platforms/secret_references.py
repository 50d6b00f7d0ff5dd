"""Secrets by reference: `env:NAME`, `file:/path`, `block:NAME` (a Prefect Secret). Resolved where the command runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from domain.errors import SpecError


async def resolve(references: Mapping[str, str], where: str) -> dict[str, str]:
    """The values. SpecError names every one that is missing, never a value; `where` is the key in tes.yaml."""
    values, missing = {}, []
    for name, reference in references.items():
        kind, _, place = reference.partition(":")
        value = await _READERS[kind](place) if kind in _READERS else None
        if value is None:
            missing.append(f"{where}.{name}: {reference}")
        else:
            values[name] = value
    if missing:
        raise SpecError(
            "secrets that cannot be had: " + "; ".join(missing),
            fix="set the variable, create the file or the Prefect Secret block, or correct the reference",
        )
    return values


async def _environment(name: str) -> str | None:
    return os.environ.get(name)


async def _file(path: str) -> str | None:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        return None


async def _block(name: str) -> str | None:
    from prefect.blocks.system import Secret

    try:
        block = await Secret.aload(name)
    except ValueError:
        return None
    return str(block.get())  # type: ignore[attr-defined]  # aload is declared to return either way of loading


_READERS = {"env": _environment, "file": _file, "block": _block}
