"""The schedules of a deployment: those of prefect.yaml, and beside them those that people have added."""

from __future__ import annotations

from collections.abc import Sequence

from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.schedules import CronSchedule

from deployments.definitions import Schedule

OURS = "tes"


def wanted(of: Sequence[Schedule], known: Sequence[DeploymentSchedule]) -> list[DeploymentScheduleCreate]:
    """All that the deployment shall have. One that a person has switched off stays off, and one that a person has
    added stays."""
    made = []
    mine: list[DeploymentSchedule] = []
    for one in of:
        schedule = CronSchedule(cron=one.cron, timezone=one.timezone)
        # An earlier version gave no slug.
        same = [old for old in known if old.slug == one.slug or (old.slug is None and old.schedule == schedule)]
        mine += same
        off = any(not old.active for old in same)
        made.append(DeploymentScheduleCreate(schedule=schedule, active=one.active and not off, slug=one.slug))
    theirs = [
        old for old in known if old not in mine and old.slug != OURS and not (old.slug or "").startswith(f"{OURS}-")
    ]
    return made + [
        DeploymentScheduleCreate(
            schedule=old.schedule,
            active=old.active,
            slug=old.slug,
            parameters=old.parameters,
            max_scheduled_runs=old.max_scheduled_runs,
        )
        for old in theirs
    ]


def same(new: Sequence[DeploymentScheduleCreate], known: Sequence[DeploymentSchedule]) -> bool:
    """Whether the deployment has just these."""

    def told(one: DeploymentScheduleCreate | DeploymentSchedule) -> str:
        fields = {"schedule", "active", "slug", "parameters", "max_scheduled_runs"}
        return one.model_dump_json(include=fields)

    return sorted(map(told, new)) == sorted(map(told, known))
