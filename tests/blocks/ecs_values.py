"""A release, its names and a setup: what the tests of the ECS platform's parts begin with."""

from __future__ import annotations

from typing import Any

from blocks.platforms.ecs_parts.names import Names
from blocks.platforms.ecs_parts.setup import Setup
from domain.place import Release, Target
from domain.supply import Artifact

TARGET = Target(service="shop", environment="staging")
NAMES = Names(TARGET, "tes")
SETUP = Setup(
    region="eu-west-1",
    cluster="main",
    listener_arn="arn:listener",
    subnets=("subnet-1",),
    security_groups=("sg-1",),
    execution_role_arn="arn:execution",
    log_group="/tes",
)
DIGEST = "sha256:" + "a" * 64


def release(**changes: Any) -> Release:
    artifact = Artifact(kind="image", digest=DIGEST, location="registry.example/shop:1")
    return Release.model_validate({"service": "shop", "version": "v1", "artifact": artifact, **changes})
