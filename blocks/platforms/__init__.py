"""Platforms, one file each. The file's name is the name in tes.yaml.

Nothing heavy is imported here: the local platform's agent passes through.
"""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, cast

from domain.errors import SpecError

if TYPE_CHECKING:
    from blocks.platforms.protocol import HostsServices

_NOT_PLATFORMS = frozenset(("__init__", "chartered", "memory_world", "protocol", "secret_references"))


def known() -> list[str]:
    """The platforms that exist, by their names in configuration."""
    names = {path.stem for path in Path(__file__).parent.glob("*.py")}
    return sorted(names - _NOT_PLATFORMS)


async def platform_named(reference: str) -> HostsServices:
    """`local`: that platform as it comes, without a Prefect server. `local-platform/my-block`: a saved block.

    SpecError for a name that does not exist; it lists those that do. Unavailable when Prefect's server does not answer,
    and the block was never used here.
    """
    if "/" not in reference:
        if reference in known():
            return cast("HostsServices", importlib.import_module(f"{__name__}.{reference}").PLATFORM())
        raise _unknown(reference)
    slug = reference.partition("/")[0]
    slugs = {f"{name.replace('_', '-')}-platform": name for name in known()}
    if slug not in slugs:
        raise _unknown(reference)
    from blocks.kept import loaded

    kind = importlib.import_module(f"{__name__}.{slugs[slug]}").PLATFORM
    try:
        return cast("HostsServices", await loaded(reference, kind))
    except ValueError as error:
        raise SpecError(
            f"environments.<name>.platform: there is no block {reference}",
            fix=f"create it in the Prefect UI or with .save(), or use the platform as it comes: {slugs[slug]}",
        ) from error


def _unknown(reference: str) -> SpecError:
    names = known()
    nearest = difflib.get_close_matches(reference.partition("/")[0].removesuffix("-platform"), names, 1)
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    return SpecError(
        f"environments.<name>.platform: {reference!r} is no platform",
        fix=f"{hint}known are {', '.join(names)}, or a block such as local-platform/my-block",
    )
