"""A release's ECS service, and the tasks that are its copies."""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from blocks.platforms.ecs_parts.aws import Aws
from blocks.platforms.ecs_parts.errors import Said
from blocks.platforms.ecs_parts.names import Tags, read, small
from blocks.platforms.ecs_parts.setup import CONTAINER, PORT, Setup
from domain.errors import Unavailable
from domain.place import Release

_ENDING = 120.0  # seconds that a service may take to end, after its drain
_GONE = ("ServiceNotFoundException", "ServiceNotActiveException")
_POLL = 0.5


def composed(setup: Setup, name: str, release: Release, definition: str, group: str) -> dict[str, Any]:
    """A CreateService without tags. No rolling back: a service has one release only, and abort is the rollout's."""
    target = {"targetGroupArn": group, "containerName": CONTAINER, "containerPort": release.port or PORT}
    return {
        "cluster": setup.cluster,
        "serviceName": name,
        "taskDefinition": definition,
        "desiredCount": release.replicas,
        "loadBalancers": [target],
        "networkConfiguration": setup.network(),
        **setup.capacity(),
        "healthCheckGracePeriodSeconds": math.ceil(release.health.grace),
        "deploymentConfiguration": {
            "deploymentCircuitBreaker": {"enable": True, "rollback": False},
            "minimumHealthyPercent": 100,
            "maximumPercent": 200,
        },
        "propagateTags": "SERVICE",
    }


async def ensure(aws: Aws, service: Mapping[str, Any], tags: Tags) -> None:
    """It runs or is starting. The number of copies of one that is there is left to whoever set it (Service Auto
    Scaling), unless it is none: then its end had begun. A deployment that AWS has given up is begun anew."""
    cluster, name = service["cluster"], service["serviceName"]
    deadline = time.monotonic() + _ENDING
    while True:
        there = (await described(aws, cluster, [name])).get(name)
        if there is None or there["status"] == "INACTIVE":
            if await _created(aws, service, tags):
                return
        elif there["status"] == "ACTIVE":
            if change := changes(there, service):
                await aws.call("ecs", "UpdateService", cluster=cluster, service=name, **change)
            return
        if time.monotonic() > deadline:
            raise Unavailable(f"the service {name} has been ending for {_ENDING:g} s", fix="provision again later")
        await asyncio.sleep(_POLL)


def changes(there: Mapping[str, Any], service: Mapping[str, Any]) -> dict[str, Any]:
    """What an UpdateService has to say to the one that is there; nothing where it is as it should be."""
    change: dict[str, Any] = {}
    if not there.get("desiredCount"):
        change["desiredCount"] = service["desiredCount"]
    if there.get("taskDefinition") != service["taskDefinition"]:
        change["taskDefinition"] = service["taskDefinition"]
    if _groups(there) != _groups(service):
        change["loadBalancers"] = service["loadBalancers"]
    if gave_up(there):
        change["forceNewDeployment"] = True
    return change


def _groups(service: Mapping[str, Any]) -> list[str]:
    return [str(one.get("targetGroupArn")) for one in service.get("loadBalancers", [])]


def gave_up(there: Mapping[str, Any]) -> str:
    """AWS's reason for its circuit breaker; empty where it has not tripped."""
    primary: Mapping[str, Any] = next(
        (one for one in there.get("deployments", []) if one.get("status") == "PRIMARY"), {}
    )
    return str(primary.get("rolloutStateReason") or "failed") if primary.get("rolloutState") == "FAILED" else ""


async def _created(aws: Aws, service: Mapping[str, Any], tags: Tags) -> bool:
    """Not while the one before is ending; nor anew when another client has just done it."""
    try:
        await aws.call("ecs", "CreateService", **service, tags=small(tags), clientToken=uuid.uuid4().hex)
    except Said as error:
        if "not idempotent" in error.message:
            return True
        if "draining" in error.message.lower():
            return False
        raise
    return True


async def described(aws: Aws, cluster: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By name, with tags; those that AWS has forgotten are left out."""
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(names), 10):  # as many as AWS takes at once
        answer = await aws.call(
            "ecs", "DescribeServices", cluster=cluster, services=list(names[start : start + 10]), include=["TAGS"]
        )
        found |= {one["serviceName"]: one for one in answer["services"]}
    return found


async def tasks(aws: Aws, cluster: str, name: str, status: str = "RUNNING") -> list[dict[str, Any]]:
    """The service's tasks that are to run; those that ended in the last hour with "STOPPED", newest first."""
    try:
        arns = await aws.pages("ecs", "ListTasks", "taskArns", cluster=cluster, serviceName=name, desiredStatus=status)
    except Said as error:
        if error.code in _GONE:  # since it was described
            return []
        raise
    found: list[dict[str, Any]] = []
    for start in range(0, len(arns), 100):  # as many as AWS takes at once
        answer = await aws.call("ecs", "DescribeTasks", cluster=cluster, tasks=arns[start : start + 100])
        found += answer["tasks"]
    return sorted(found, key=lambda task: moment(task, "createdAt"), reverse=True)


def moment(task: Mapping[str, Any], key: str) -> float:
    """Seconds since the epoch; 0 where it has not come."""
    at = task.get(key)
    return float(at.timestamp()) if at else 0.0


def address(task: Mapping[str, Any]) -> str:
    """A task's own address in the network; empty until it has one."""
    for attachment in task.get("attachments", []):
        for detail in attachment.get("details", []):
            if detail.get("name") == "privateIPv4Address":
                return str(detail["value"])
    for container in task.get("containers", []):
        for interface in container.get("networkInterfaces", []):
            if interface.get("privateIpv4Address"):
                return str(interface["privateIpv4Address"])
    return ""


async def found(aws: Aws, cluster: str, prefix: str) -> dict[str, Tags]:
    """Services whose name begins so and that are not gone, with their tags."""
    arns = await aws.pages("ecs", "ListServices", "serviceArns", cluster=cluster, maxResults=100)
    names = [name for name in (arn.rpartition("/")[2] for arn in arns) if name.startswith(prefix)]
    every = await described(aws, cluster, names)
    return {name: read(one.get("tags")) for name, one in every.items() if one["status"] != "INACTIVE"}


async def remove(aws: Aws, cluster: str, name: str, drain: float) -> None:
    """Its copies have `drain` seconds for what they have begun, are told to stop, and it is gone. By then no rule sends
    requests to it."""
    there = (await described(aws, cluster, [name])).get(name)
    if there is None or there["status"] == "INACTIVE":
        return
    if there["status"] == "ACTIVE" and there.get("desiredCount"):
        if there.get("runningCount"):
            await asyncio.sleep(drain)
        await _said(aws, "UpdateService", cluster=cluster, service=name, desiredCount=0)
    deadline = time.monotonic() + drain + _ENDING
    while there is not None and there.get("runningCount") and time.monotonic() < deadline:
        there = (await described(aws, cluster, [name])).get(name)
        if there is not None and there.get("runningCount"):
            await asyncio.sleep(_POLL)
    await _said(aws, "DeleteService", cluster=cluster, service=name, force=True)


async def _said(aws: Aws, operation: str, **request: Any) -> None:
    try:
        await aws.call("ecs", operation, **request)
    except Said as error:
        if error.code not in _GONE:  # somebody else was sooner
            raise
