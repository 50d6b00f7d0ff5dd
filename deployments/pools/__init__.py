"""The types of work pools, each with the base job template beside this file (scripts/pool_templates.py writes them)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.errors import SpecError


@dataclass(frozen=True)
class Type:
    """A type as Prefect calls it; `pool` is our pool of it, `package` what its worker is installed with."""

    name: str
    pool: str
    package: str
    # Its machines fetch the image from a registry: there is no default that could work.
    fetches: bool = False

    @property
    def in_containers(self) -> bool:
        """Whether a run has the image's folders and not this machine's."""
        return self.name != "process"


TYPES = (
    Type("process", "tes-process", "prefect"),
    Type("docker", "tes-docker", "prefect-docker"),
    Type("kubernetes", "tes-kubernetes", "prefect-kubernetes"),
    Type("ecs", "tes-ecs", "prefect-aws", fetches=True),
    Type("cloud-run-v2", "tes-cloud-run", "prefect-gcp", fetches=True),
    Type("azure-container-instance", "tes-aci", "prefect-azure", fetches=True),
)
PROCESS = TYPES[0]
_NAMES = {name: one for one in TYPES for name in (one.name, one.pool, one.pool.removeprefix("tes-"))}


def type_named(name: str) -> Type | None:
    """The type by Prefect's name for it, by our pool's, or by what follows `tes-` in that: `aci`, `cloud-run`."""
    return _NAMES.get(name)


def pool_and_type(words: str) -> tuple[str, Type | None]:
    """`NAME[:TYPE]` as a pool's name and its type; the type is None where only the server can know it. SpecError for
    an empty name or an unknown type."""
    name, colon, kind = words.partition(":")
    known = type_named(kind) if colon else None
    if not name or (colon and known is None):
        said = f"the type {kind!r} is not known" if name else "the name is missing"
        raise SpecError(f"--pool {words}: {said}", fix=f"NAME:TYPE with one of {', '.join(one.name for one in TYPES)}")
    if colon:
        return name, known
    known = type_named(name)
    return (known.pool if known else name), known


def template(kind: str) -> dict[str, Any]:
    """The base job template of a type, read anew: who gets it may change it."""
    made: dict[str, Any] = json.loads(Path(__file__).with_name(f"{kind}.json").read_text(encoding="utf-8"))
    return made


def files() -> list[Path]:
    """Everything that decides what a pool is made like."""
    return sorted(Path(__file__).parent.glob("*.json")) + [Path(__file__)]
