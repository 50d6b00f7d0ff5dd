"""Asks the platform what a rollout would change; changes nothing."""

from __future__ import annotations

from pydantic import ValidationError

from blocks.platforms import platform_named
from domain.errors import CapabilityError, PlatformError
from domain.forecast import Forecast, forecast
from domain.place import Target
from domain.rollout import Rollout, plan, requires
from domain.spec import Spec
from tasks.rollout import PAGE


async def foreseen(spec: Spec, target: Target, version: str | None) -> Forecast:
    """What a rollout to the target's environment would do. A platform that gives no answer makes it a plan of tes.yaml
    alone, which says so; CapabilityError where the platform can't do it at all."""
    place = spec.environments[target.environment]
    platform = await platform_named(place.platform)
    migrates = spec.release is not None and spec.release.migrations is not None
    lacking = requires(plan(place, first=False, migrates=migrates)) - platform.capabilities
    if lacking:
        raise CapabilityError(
            f"platform {place.platform} of environment {target.environment} cannot do: {', '.join(sorted(lacking))}",
            fix="choose another platform or strategy in tes.yaml",
        )
    state = left = None
    unknown = ""
    try:
        state = await platform.inspect(target)
        page = await platform.recall(target, PAGE)
        left = Rollout.model_validate_json(page) if page else None
    except (PlatformError, CapabilityError) as error:
        unknown = error.message
    except ValidationError:
        unknown = "the environment's notebook cannot be read"
    return forecast(target.environment, place, spec.release, version, state, left, unknown)
