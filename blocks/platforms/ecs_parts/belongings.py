"""What lies on AWS under our tags: found, and removed when no charter wants it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from blocks.platforms.ecs_parts import rule, secrets, services, target_groups, task_definition
from blocks.platforms.ecs_parts.aws import Aws
from blocks.platforms.ecs_parts.names import OURS, Names, Tags, drain_of, installed
from blocks.platforms.ecs_parts.setup import Setup

_YOUNG = 900.0  # seconds: a job's definition is registered before its task is there to show that it is needed


@dataclass
class Belongings:
    """By name, with tags."""

    services: Mapping[str, Tags] = field(default_factory=dict)
    groups: Mapping[str, Tags] = field(default_factory=dict)
    families: Mapping[str, Tags] = field(default_factory=dict)
    secrets: Mapping[str, Tags] = field(default_factory=dict)
    rules: Mapping[str, Tags] = field(default_factory=dict)
    """By ARN: those of targets that have no charter."""

    def names(self) -> list[str]:
        return sorted({*self.services, *self.groups, *self.families, *self.secrets})

    def told(self) -> list[str]:
        """One line each."""
        kinds = {
            "service": self.services,
            "target group": self.groups,
            "task definition": self.families,
            "secret": self.secrets,
            "rule": self.rules,
        }
        return sorted(f"{kind} {name}" for kind, found in kinds.items() for name in found)


async def found(
    aws: Aws, setup: Setup, prefix: str, ours: Callable[[Tags], bool], wanted: Collection[str], young: float = _YOUNG
) -> Belongings:
    """Everything whose name begins with `prefix`, whose tags are `ours`, and that is not `wanted`. Definitions and
    secrets are left alone that a job may have made within `young` seconds, or whose task runs."""
    there, groups, kept, families = await asyncio.gather(
        services.found(aws, setup.cluster, prefix),
        target_groups.found(aws, prefix),
        secrets.found(aws, prefix),
        task_definition.families(aws, prefix),
    )

    def unwanted(every: Mapping[str, Tags]) -> dict[str, Tags]:
        return {name: tags for name, tags in every.items() if name not in wanted and OURS.match(name) and ours(tags)}

    def fresh(name: str, since: float) -> bool:
        return name not in there and time.time() - since < young

    mine = Belongings(unwanted(there), unwanted(groups))
    hidden = unwanted({name: one.tags for name, one in kept.items() if not fresh(name, one.created)})
    definitions: dict[str, Tags] = {}
    for family in families:
        if family in wanted or not OURS.match(family):
            continue
        definition, tags = await task_definition.described(aws, family)
        if definition is None or not ours(tags):
            continue
        if fresh(family, services.moment(definition, "registeredAt")) or await _runs(aws, setup.cluster, family):
            continue
        definitions[family] = tags
    busy = {family for family in families if family not in definitions}
    mine.families = definitions
    mine.secrets = {name: tags for name, tags in hidden.items() if name not in busy}
    return mine


async def lost_rules(aws: Aws, setup: Setup, known: Collection[Names]) -> dict[str, Tags]:
    """The installation's rules of targets that are not among the known."""
    arns = [one["RuleArn"] for one in await rule.every(aws, setup) if not one.get("IsDefault")]
    tags = await target_groups.tags_of(aws, arns)
    mine = {arn: found for arn, found in tags.items() if installed(found) == setup.installation}
    return {arn: found for arn, found in mine.items() if not any(names.owns(found) for names in known)}


async def _runs(aws: Aws, cluster: str, family: str) -> bool:
    """Whether a job of it runs. A service's tasks end with the service."""
    arns = await aws.pages("ecs", "ListTasks", "taskArns", cluster=cluster, family=family, desiredStatus="RUNNING")
    if not arns:
        return False
    answer = await aws.call("ecs", "DescribeTasks", cluster=cluster, tasks=arns[:100])
    return any(not str(task.get("group", "")).startswith("service:") for task in answer["tasks"])


async def remove(aws: Aws, setup: Setup, what: Belongings, drained: bool = True) -> None:
    """All of it, each release by itself. No rule that is left names its groups any more."""
    for arn in what.rules:
        await rule.remove(aws, arn)
    await asyncio.gather(*(_remove(aws, setup, what, name, drained) for name in what.names()))


async def _remove(aws: Aws, setup: Setup, what: Belongings, name: str, drained: bool) -> None:
    if name in what.services:
        await services.remove(aws, setup.cluster, name, drain_of(what.services[name]) if drained else 0.0)
    if name in what.groups:
        await target_groups.remove(aws, name)
    if name in what.families:
        await task_definition.remove(aws, name)
    if name in what.secrets:
        await secrets.remove(aws, name)
