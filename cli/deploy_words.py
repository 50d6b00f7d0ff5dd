"""`tes deploy --platform P --strategy S --plan`: what scripts/deploy.sh says beyond the environment's name.

tes.yaml decides the platform and the strategy. A word that contradicts it is refused before anything moves, so that
nobody who asks for one place deploys to another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from blocks.platforms import known
from domain.development import including
from domain.errors import CapabilityError, SpecError
from domain.forecast import Forecast, Forecasts
from domain.group import distinct
from domain.place import Target
from domain.spec import EnvironmentSpec
from tasks.spec_file import load_spec

# What people call the places; the platforms have the names of what runs there.
CLOUDS = {"k8s": "kubernetes", "aws": "ecs", "azure": "azure_container_instances", "gcp": "cloud_run"}


def _kind(place: EnvironmentSpec) -> str:
    """The platform's module, also where a block is named."""
    return place.platform.partition("/")[0].removesuffix("-platform").replace("-", "_")


def agreed(project: Path, environment: str, platform: str | None, strategy: str | None) -> EnvironmentSpec:
    """The environment, when it is what was asked for.

    CapabilityError for a platform that does not exist yet or a strategy other than the environment's; SpecError for an
    environment that is not there or is somewhere else.
    """
    said = f"--platform {platform}"
    if platform in CLOUDS:
        platform, said = CLOUDS[platform], f"{said} ({CLOUDS[platform]})"
    if platform is not None and platform not in known():
        raise CapabilityError(f"{said}: there is no such platform yet", fix=f"use one of {', '.join(known())}")
    environments = including(load_spec(project.expanduser()).spec, environment).environments
    if environment not in environments:
        names = ", ".join(environments) or "none"
        raise SpecError(f"environment {environment} is not in tes.yaml; there: {names}", fix="name one of them")
    place = environments[environment]
    if platform is not None and _kind(place) != platform:
        raise SpecError(
            f"{said}: environments.{environment}.platform is {place.platform}",
            fix=f"leave the option out, or set environments.{environment}.platform: {platform}",
        )
    if strategy is not None and strategy != place.strategy:
        raise CapabilityError(
            f"--strategy {strategy}: environments.{environment}.strategy is {place.strategy}",
            fix=f"set environments.{environment}.strategy: {strategy}; it can't be chosen for one deployment",
        )
    return place


def foretold(project: Path, environment: str, version: str | None) -> Forecast:
    """What a rollout would do; the platform is asked, and nothing is done."""
    from tasks.forecast import foreseen  # Prefect comes with it: not before it is needed

    spec = including(load_spec(project.expanduser()).spec, environment)
    service = spec.name or project.expanduser().absolute().name
    return asyncio.run(foreseen(spec, Target(service=service, environment=environment), version))


def foretold_together(projects: Sequence[Path], environment: str, version: str | None) -> Forecasts:
    """What a rollout of all of them as one would do; nothing is done."""
    found = tuple(foretold(project, environment, version) for project in projects)
    names = tuple(
        load_spec(project.expanduser()).spec.name or project.expanduser().absolute().name for project in projects
    )
    distinct(names)
    return Forecasts(services=names, environment=environment, forecasts=found)
