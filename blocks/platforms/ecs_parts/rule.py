"""The listener's rule of one target: which release gets which share of its requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from blocks.platforms.ecs_parts import target_groups
from blocks.platforms.ecs_parts.aws import Aws
from blocks.platforms.ecs_parts.errors import Said
from blocks.platforms.ecs_parts.names import Names, large
from blocks.platforms.ecs_parts.setup import Setup
from domain.charter import Charter
from domain.errors import Rejected, Unavailable

_MOST = 5  # target groups that one rule takes
_LAST = 50_000  # the highest priority that a rule can have
_TRIES = 5  # how often a priority is chosen anew because another has taken it


class Rule(NamedTuple):
    """As AWS has it. `weights` by the groups' names, `arns` by the same."""

    arn: str
    weights: Mapping[str, int]
    arns: Mapping[str, str]


def shares(charter: Charter, names: Names) -> dict[str, int]:
    """What the rule is to say: weights by the groups' names.

    A release without traffic is there too, with 0: ELB looks after the health only of groups that a rule names. Five
    find room: those with traffic, stable, those that come; of those kept warm, the last that were asked for.
    """
    placed = sorted(
        charter.releases,
        key=lambda one: (
            one.weight == 0,
            one.release.version != charter.stable,
            one.warm_until is not None,
            -one.since,
        ),
    )
    return {names.of(one.release): one.weight for one in placed[:_MOST]}


def actions(weights: Mapping[str, int], arns: Mapping[str, str]) -> list[dict[str, Any]]:
    """A forward to the groups, or an answer of its own where there are none."""
    if not weights:
        answer = {"StatusCode": "503", "ContentType": "text/plain", "MessageBody": "no release\n"}
        return [{"Type": "fixed-response", "FixedResponseConfig": answer}]
    groups = [{"TargetGroupArn": arns[name], "Weight": weight} for name, weight in sorted(weights.items())]
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]


def seen(rule: Mapping[str, Any]) -> Rule:
    """From a DescribeRules. A forward to one group may be told without its weight, which is all of it."""
    groups: list[Mapping[str, Any]] = []
    for action in rule.get("Actions", []):
        groups += action.get("ForwardConfig", {}).get("TargetGroups", [])
        if not groups and action.get("TargetGroupArn"):
            groups.append({"TargetGroupArn": action["TargetGroupArn"], "Weight": 100})
    arns = {target_groups.name_of(one["TargetGroupArn"]): str(one["TargetGroupArn"]) for one in groups}
    weights = {target_groups.name_of(one["TargetGroupArn"]): int(one.get("Weight", 1)) for one in groups}
    return Rule(str(rule["RuleArn"]), weights, arns)


async def find(aws: Aws, setup: Setup, names: Names, known: str | None = None) -> Rule | None:
    """The target's rule by its tags, or at once by its ARN where that is `known`."""
    if known is not None:
        try:
            return seen((await aws.call("elbv2", "DescribeRules", RuleArns=[known]))["Rules"][0])
        except (Said, IndexError) as error:
            if isinstance(error, Said) and error.code not in ("RuleNotFound", "RuleNotFoundException"):
                raise
    rules = {one["RuleArn"]: one for one in await every(aws, setup) if not one.get("IsDefault")}
    tags = await target_groups.tags_of(aws, list(rules))
    mine = sorted(arn for arn, found in tags.items() if names.owns(found))
    return seen(rules[mine[0]]) if mine else None


async def every(aws: Aws, setup: Setup) -> list[dict[str, Any]]:
    """All rules of the listener."""
    return await aws.pages("elbv2", "DescribeRules", "Rules", ListenerArn=setup.listener_arn)


async def tell(
    aws: Aws, setup: Setup, names: Names, rule: Rule | None, weights: Mapping[str, int], arns: Mapping[str, str]
) -> Rule:
    """The rule with these weights. Unavailable when AWS does not say that it has them."""
    wanted = actions(weights, arns)
    if rule is None:
        answer = await _created(aws, setup, names, wanted)
    else:
        answer = await aws.call("elbv2", "ModifyRule", RuleArn=rule.arn, Actions=wanted)
    told = seen(answer["Rules"][0])
    if dict(told.weights) != dict(weights):
        raise Unavailable(f"the rule {told.arn} was told {dict(weights)} and says {dict(told.weights)}")
    return told


async def _created(aws: Aws, setup: Setup, names: Names, wanted: list[dict[str, Any]]) -> dict[str, Any]:
    conditions = setup.conditions(names.target)
    for _ in range(_TRIES):
        priority = place(conditions, await every(aws, setup))
        try:
            return await aws.call(
                "elbv2",
                "CreateRule",
                ListenerArn=setup.listener_arn,
                Conditions=conditions,
                Priority=priority,
                Actions=wanted,
                Tags=large(names.tags()),
            )
        except Said as error:
            if error.code not in ("PriorityInUse", "PriorityInUseException"):
                raise
    raise Unavailable(f"others took every priority on {setup.listener_arn} that was free, {_TRIES} times")


def place(conditions: Sequence[Mapping[str, Any]], rules: Sequence[Mapping[str, Any]]) -> int:
    """A free priority: the first, or the last for a rule that takes every request. Rejected where there is none, or
    where a rule takes the same requests already."""
    mine = _asked(conditions)
    for one in rules:
        if not one.get("IsDefault") and _asked(one.get("Conditions", [])) == mine:
            raise Rejected(
                f"the rule {one['RuleArn']} takes the same requests already: {dict(mine)}",
                fix="set the block's `host` or `path` apart, with {service} and {environment} in it",
            )
    taken = {int(one["Priority"]) for one in rules if str(one.get("Priority")).isdigit()}
    numbers = range(1, _LAST + 1)
    everything = mine == (("path-pattern", ("/*",)),)
    for number in reversed(numbers) if everything else numbers:
        if number not in taken:
            return number
    raise Rejected("the listener has no priority left for a rule", fix="remove rules, or name another listener")


def _asked(conditions: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    asked = []
    for one in conditions:
        key = {"host-header": "HostHeaderConfig", "path-pattern": "PathPatternConfig"}.get(one["Field"], "")
        values = one.get(key, {}).get("Values") or one.get("Values") or [str(one)]
        asked.append((str(one["Field"]), tuple(sorted(values))))
    return tuple(sorted(asked))


async def remove(aws: Aws, arn: str) -> None:
    """Harmless when it is gone."""
    try:
        await aws.call("elbv2", "DeleteRule", RuleArn=arn)
    except Said as error:
        if error.code not in ("RuleNotFound", "RuleNotFoundException"):
            raise
