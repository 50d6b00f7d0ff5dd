"""`tes deploy --platform P --strategy S --plan`: what scripts/deploy.sh says beyond the environment's name.

tes.yaml decides the platform and the strategy. A word that contradicts it is refused before anything moves, so that
nobody who asks for one place deploys to another.
"""

from __future__ import annotations

from pathlib import Path

from blocks.platforms import known
from domain.errors import CapabilityError, SpecError
from domain.rollout import plan
from domain.spec import EnvironmentSpec
from tasks.spec_file import load_spec


def agreed(project: Path, environment: str, platform: str | None, strategy: str | None) -> EnvironmentSpec:
    """The environment, when it is what was asked for.

    CapabilityError for a platform that does not exist yet or a strategy other than the environment's; SpecError for an
    environment that is not there or is somewhere else.
    """
    if platform is not None and platform not in known():
        raise CapabilityError(
            f"--platform {platform}: there is no such platform yet", fix=f"use one of {', '.join(known())}"
        )
    environments = load_spec(project.expanduser()).spec.environments
    if environment not in environments:
        names = ", ".join(environments) or "none"
        raise SpecError(f"environment {environment} is not in tes.yaml; there: {names}", fix="name one of them")
    place = environments[environment]
    if platform is not None and place.platform.partition("/")[0].removesuffix("-platform") != platform:
        raise SpecError(
            f"--platform {platform}: environments.{environment}.platform is {place.platform}",
            fix=f"leave the option out, or set environments.{environment}.platform: {platform}",
        )
    if strategy is not None and strategy != place.strategy:
        raise CapabilityError(
            f"--strategy {strategy}: environments.{environment}.strategy is {place.strategy}",
            fix=f"set environments.{environment}.strategy: {strategy}; it can't be chosen for one deployment",
        )
    return place


def steps(project: Path, environment: str, place: EnvironmentSpec) -> str:
    """What a rollout of a successor would do, one step a line."""
    release = load_spec(project.expanduser()).spec.release
    actions = plan(place, first=False, migrates=release is not None and release.migrations is not None)
    head = f"{environment}: {place.strategy} on {place.platform}, {len(actions)} steps; nothing was done"
    return "\n".join([head, *(f"  {number}. {action}" for number, action in enumerate(actions, 1))])
