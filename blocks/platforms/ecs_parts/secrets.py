"""A release's secrets: one in Secrets Manager, whose keys the task definition refers to. No value is in the latter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from blocks.platforms.ecs_parts.aws import Aws
from blocks.platforms.ecs_parts.errors import Said
from blocks.platforms.ecs_parts.names import Tags, large, read

_GONE = "ResourceNotFoundException"


class Found(NamedTuple):
    """`created`: seconds since the epoch."""

    tags: Tags
    created: float


async def ensure(aws: Aws, name: str, values: Mapping[str, str], tags: Tags) -> str:
    """Its ARN, with exactly these values; empty where there are none. Tasks that start later get the newest values."""
    if not values:
        return ""
    text = json.dumps(dict(sorted(values.items())))
    try:
        created = await aws.call("secretsmanager", "CreateSecret", Name=name, SecretString=text, Tags=large(tags))
        return str(created["ARN"])
    except Said as error:
        if error.code != "ResourceExistsException":
            raise
    there = await aws.call("secretsmanager", "GetSecretValue", SecretId=name)
    if there.get("SecretString") != text:
        await aws.call("secretsmanager", "PutSecretValue", SecretId=name, SecretString=text)
    return str(there["ARN"])


async def remove(aws: Aws, name: str) -> None:
    """Gone at once: a secret that waits for its end keeps its name, and the release could not come back."""
    try:
        await aws.call("secretsmanager", "DeleteSecret", SecretId=name, ForceDeleteWithoutRecovery=True)
    except Said as error:
        if error.code != _GONE:
            raise


async def found(aws: Aws, prefix: str) -> dict[str, Found]:
    """Secrets whose name begins so."""
    filters = [{"Key": "name", "Values": [prefix]}]
    every = await aws.pages("secretsmanager", "ListSecrets", "SecretList", Filters=filters)
    return {
        one["Name"]: Found(read(one.get("Tags")), one["CreatedDate"].timestamp() if one.get("CreatedDate") else 0.0)
        for one in every
        if one["Name"].startswith(prefix)
    }


def reference(arn: str, key: str) -> str:
    """One key of the secret, as a task definition names it."""
    return f"{arn}:{key}::"
