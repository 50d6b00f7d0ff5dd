"""A release as a task definition: composed here, compared with the newest of its family, registered when it differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blocks.platforms.ecs_parts import fargate, secrets
from blocks.platforms.ecs_parts.aws import Aws
from blocks.platforms.ecs_parts.errors import Said
from blocks.platforms.ecs_parts.names import Tags, read, small
from blocks.platforms.ecs_parts.setup import CONTAINER, PORT, Setup
from domain.place import Release

_STOP = 10  # seconds between SIGTERM and SIGKILL


def composed(setup: Setup, name: str, release: Release, secret: str = "") -> dict[str, Any]:
    """A RegisterTaskDefinition without tags. `secret` is the ARN that has the values of `release.secrets`."""
    port = str(release.port or PORT)
    told = {"TES_SERVICE": release.service, "TES_VERSION": release.version, "PYTHONUNBUFFERED": "1"}
    environment = {**told, **release.environment, "PORT": port}
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": release.artifact.reference,
        "essential": True,
        "stopTimeout": _STOP,
        "portMappings": [{"containerPort": int(port), "protocol": "tcp"}],
        "environment": [
            {"name": key, "value": environment[key]} for key in sorted(set(environment) - {*release.secrets})
        ],
        "secrets": [{"name": key, "valueFrom": secrets.reference(secret, key)} for key in sorted(release.secrets)],
        "linuxParameters": {"initProcessEnabled": True},
    }
    if release.command:
        container["command"] = command(release, release.command)
    if setup.registry_secret_arn:
        container["repositoryCredentials"] = {"credentialsParameter": setup.registry_secret_arn}
    if setup.log_group:
        options = {"awslogs-group": setup.log_group, "awslogs-region": setup.region, "awslogs-stream-prefix": name}
        container["logConfiguration"] = {"logDriver": "awslogs", "options": options}
    if setup.container_health:
        container["healthCheck"] = _health(setup, release)
    serverless = setup.launch_type == "FARGATE"
    cpu, memory = (fargate.size if serverless else fargate.units)(release.resources)
    definition: dict[str, Any] = {
        "family": name,
        "networkMode": "awsvpc",
        "requiresCompatibilities": [setup.launch_type],
        "cpu": str(cpu),
        "memory": str(memory),
        "containerDefinitions": [container],
    }
    if serverless:
        definition["runtimePlatform"] = {"cpuArchitecture": setup.architecture, "operatingSystemFamily": "LINUX"}
    for key, arn in (("executionRoleArn", setup.execution_role_arn), ("taskRoleArn", setup.task_role_arn)):
        if arn:
            definition[key] = arn
    return definition


def command(release: Release, words: tuple[str, ...]) -> list[str]:
    """With `${PORT}` replaced."""
    return [word.replace("${PORT}", str(release.port or PORT)) for word in words]


def _health(setup: Setup, release: Release) -> dict[str, Any]:
    """Within what ECS takes: 5 to 300 s, 1 to 10 retries, 0 to 300 s of start."""
    health, port = release.health, str(release.port or PORT)
    return {
        "command": [word.replace("${PORT}", port).replace("${PATH}", health.path) for word in setup.container_health],
        "interval": round(min(300, max(5, health.interval))),
        "timeout": round(min(60, max(2, health.timeout))),
        "retries": min(10, max(1, health.failures)),
        "startPeriod": round(min(300, max(0, health.grace))),
    }


_TASK = ("family", "networkMode", "requiresCompatibilities", "cpu", "memory", "runtimePlatform", "executionRoleArn",
         "taskRoleArn")  # fmt: skip
_CONTAINER = ("name", "image", "essential", "stopTimeout", "environment", "secrets", "command", "repositoryCredentials",
              "logConfiguration", "healthCheck")  # fmt: skip


def canonical(definition: Mapping[str, Any]) -> dict[str, Any]:
    """What this module writes, and nothing that AWS adds; so that what was asked for and what AWS tells compare."""
    containers = []
    for one in definition.get("containerDefinitions", []):
        kept = {key: one[key] for key in _CONTAINER if one.get(key)}
        for key in ("environment", "secrets"):
            if key in kept:
                kept[key] = sorted(kept[key], key=lambda pair: str(pair["name"]))
        kept["ports"] = [int(port["containerPort"]) for port in one.get("portMappings") or []]
        kept["init"] = bool((one.get("linuxParameters") or {}).get("initProcessEnabled"))
        containers.append(kept)
    return {**{key: definition[key] for key in _TASK if definition.get(key)}, "containers": containers}


async def ensure(aws: Aws, definition: Mapping[str, Any], tags: Tags) -> str:
    """The ARN of the newest in its family, which is this one: registered only where it differs."""
    newest, _ = await described(aws, definition["family"])
    if newest is not None and canonical(newest) == canonical(definition):
        return str(newest["taskDefinitionArn"])
    made = await aws.call("ecs", "RegisterTaskDefinition", **definition, tags=small(tags))
    return str(made["taskDefinition"]["taskDefinitionArn"])


async def described(aws: Aws, family: str) -> tuple[dict[str, Any] | None, Tags]:
    """The newest active one of a family, and its tags; None where there is none."""
    try:
        there = await aws.call("ecs", "DescribeTaskDefinition", taskDefinition=family, include=["TAGS"])
    except Said as error:
        if error.code == "ClientException":  # "Unable to describe task definition."
            return None, {}
        raise
    definition: dict[str, Any] = there["taskDefinition"]
    return (definition, read(there.get("tags"))) if definition.get("status", "ACTIVE") == "ACTIVE" else (None, {})


async def families(aws: Aws, prefix: str) -> list[str]:
    """Those with an active definition."""
    found = await aws.pages("ecs", "ListTaskDefinitionFamilies", "families", familyPrefix=prefix, status="ACTIVE")
    return [str(one) for one in found]


async def remove(aws: Aws, family: str) -> None:
    """Every definition of the family is deregistered, and deleted: AWS keeps it until no task needs it."""
    for status in ("ACTIVE", "INACTIVE"):
        arns = await aws.pages(
            "ecs", "ListTaskDefinitions", "taskDefinitionArns", familyPrefix=family, status=status, maxResults=100
        )
        arns = [arn for arn in arns if arn.rpartition("/")[2].rpartition(":")[0] == family]
        if status == "ACTIVE":
            for arn in arns:
                await aws.call("ecs", "DeregisterTaskDefinition", taskDefinition=arn)
            continue
        for start in range(0, len(arns), 10):  # as many as AWS takes at once
            await aws.call("ecs", "DeleteTaskDefinitions", taskDefinitions=arns[start : start + 10])
