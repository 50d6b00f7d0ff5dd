"""The deployments, read from prefect.yaml: one source for `prefect deploy --all` and for the embedded runtime."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from domain.errors import SpecError


@dataclass(frozen=True)
class Schedule:
    """When a deployment runs by itself: `cron` in five fields, in `timezone`.

    `slug` tells it from those that people add; of several each has its own, `tes-...`.
    """

    cron: str
    timezone: str = "UTC"
    active: bool = True
    slug: str = "tes"


@dataclass(frozen=True)
class Deployment:
    """One entry of prefect.yaml; the flow's name is the function's."""

    name: str
    entrypoint: str
    work_pool: str
    description: str = ""
    tags: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)
    schedules: tuple[Schedule, ...] = ()

    @property
    def flow_name(self) -> str:
        """`release` of `flows.release.release`."""
        return self.entrypoint.replace(":", ".").rpartition(".")[2]

    @property
    def full_name(self) -> str:
        """As `prefect deployment run` wants it: `release/staging`."""
        return f"{self.flow_name}/{self.name}"


def prefect_yaml() -> Path:
    """The file: at the root of a checkout, or where the wheel put it."""
    checkout = Path(__file__).resolve().parents[1] / "prefect.yaml"
    return checkout if checkout.exists() else Path(sys.prefix) / "share" / "tes" / "prefect.yaml"


def definitions(path: Path | None = None) -> tuple[Deployment, ...]:
    """Every deployment of the file. Raises `SpecError` that names the entry when one cannot be used."""
    path = path or prefect_yaml()
    try:
        document = YAML(typ="safe").load(path.read_text())
    except (OSError, YAMLError) as error:
        raise SpecError(f"{path} cannot be read: {error}", fix="restore prefect.yaml from the repository") from error
    if not isinstance(document, dict) or not isinstance(document.get("deployments"), list):
        raise SpecError(f"{path} has no list `deployments`", fix="restore prefect.yaml from the repository")
    return tuple(_deployment(path, number, entry) for number, entry in enumerate(document["deployments"]))


def _deployment(path: Path, number: int, entry: Any) -> Deployment:
    try:
        return Deployment(
            name=entry["name"],
            entrypoint=entry["entrypoint"],
            work_pool=entry["work_pool"]["name"],
            description=entry.get("description", ""),
            tags=tuple(entry.get("tags", ())),
            parameters=dict(entry.get("parameters") or {}),
            schedules=tuple(Schedule(**one) for one in entry.get("schedules") or ()),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise SpecError(
            f"{path}: deployments[{number}] lacks or misuses {error}", fix="give it name, entrypoint and work_pool.name"
        ) from error
