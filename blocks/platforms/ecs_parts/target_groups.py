"""A release's target group: where the load balancer finds its copies, and how it asks them how they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from blocks.platforms.ecs_parts.aws import Aws
from blocks.platforms.ecs_parts.errors import Said
from blocks.platforms.ecs_parts.names import Tags, large, read
from blocks.platforms.ecs_parts.setup import PORT
from domain.place import Release

_GONE = ("TargetGroupNotFound", "TargetGroupNotFoundException")
_IN_USE = ("ResourceInUse", "ResourceInUseException")


class TargetHealth(NamedTuple):
    """`state` in ELB's words: initial, healthy, unhealthy, unused, draining, unavailable."""

    state: str
    reason: str


def composed(name: str, release: Release, vpc: str) -> dict[str, Any]:
    """A CreateTargetGroup without tags. ELB asks every 5 to 300 s and counts from 2 to 10: what is quicker or slower is
    brought there."""
    health = release.health
    interval = round(min(300, max(5, health.interval)))
    return {
        "Name": name,
        "Protocol": "HTTP",
        "Port": release.port or PORT,
        "VpcId": vpc,
        "TargetType": "ip",
        "HealthCheckProtocol": "HTTP",
        "HealthCheckPath": health.path,
        "HealthCheckIntervalSeconds": interval,
        "HealthCheckTimeoutSeconds": min(interval, max(2, math.ceil(health.timeout))),
        "HealthyThresholdCount": min(10, max(2, health.successes)),
        "UnhealthyThresholdCount": min(10, max(2, health.failures)),
        "Matcher": {"HttpCode": "200-299"},
    }


async def ensure(aws: Aws, group: Mapping[str, Any], drain: float, tags: Tags) -> str:
    """Its ARN. What is there under this name is taken as it is: another setting of a release is another name."""
    arn = await arn_of(aws, group["Name"])
    if arn is None:
        made = await aws.call("elbv2", "CreateTargetGroup", **group, Tags=large(tags))
        arn = str(made["TargetGroups"][0]["TargetGroupArn"])
    delay = [{"Key": "deregistration_delay.timeout_seconds", "Value": str(math.ceil(min(3600, drain)))}]
    await aws.call("elbv2", "ModifyTargetGroupAttributes", TargetGroupArn=arn, Attributes=delay)
    return arn


async def arn_of(aws: Aws, name: str) -> str | None:
    """None where there is no such group."""
    try:
        found = await aws.call("elbv2", "DescribeTargetGroups", Names=[name])
    except Said as error:
        if error.code in _GONE:
            return None
        raise
    groups = found["TargetGroups"]
    return str(groups[0]["TargetGroupArn"]) if groups else None


def name_of(arn: str) -> str:
    """arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID"""
    return arn.rpartition(":")[2].split("/")[1]


async def health(aws: Aws, arn: str) -> dict[str, TargetHealth]:
    """By address. Empty where the group is gone."""
    try:
        answer = await aws.call("elbv2", "DescribeTargetHealth", TargetGroupArn=arn)
    except Said as error:
        if error.code in _GONE:
            return {}
        raise
    return told(answer["TargetHealthDescriptions"])


def told(descriptions: Sequence[Mapping[str, Any]]) -> dict[str, TargetHealth]:
    """From a DescribeTargetHealth. An address that is draining and registered again is what is better of both."""
    found: dict[str, TargetHealth] = {}
    for one in descriptions:
        health = one["TargetHealth"]
        seen = TargetHealth(str(health["State"]), str(health.get("Description") or health.get("Reason") or ""))
        if one["Target"]["Id"] not in found or seen.state != "draining":
            found[one["Target"]["Id"]] = seen
    return found


async def remove(aws: Aws, name: str) -> bool:
    """Whether it is gone; it is not while a rule forwards to it."""
    arn = await arn_of(aws, name)
    if arn is None:
        return True
    try:
        await aws.call("elbv2", "DeleteTargetGroup", TargetGroupArn=arn)
    except Said as error:
        if error.code in _IN_USE:
            return False
        if error.code not in _GONE:
            raise
    return True


async def found(aws: Aws, prefix: str) -> dict[str, Tags]:
    """Groups whose name begins so, with their tags."""
    groups = await aws.pages("elbv2", "DescribeTargetGroups", "TargetGroups")
    arns = [one["TargetGroupArn"] for one in groups if one["TargetGroupName"].startswith(prefix)]
    return {name_of(arn): tags for arn, tags in (await tags_of(aws, arns)).items()}


async def tags_of(aws: Aws, arns: Sequence[str]) -> dict[str, Tags]:
    """By ARN, of anything that ELB has."""
    tags: dict[str, Tags] = {}
    for start in range(0, len(arns), 20):  # as many as AWS takes at once
        answer = await aws.call("elbv2", "DescribeTags", ResourceArns=list(arns[start : start + 20]))
        tags |= {one["ResourceArn"]: read(one["Tags"]) for one in answer["TagDescriptions"]}
    return tags
