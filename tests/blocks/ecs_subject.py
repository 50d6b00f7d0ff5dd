"""The ECS platform under test: real containers by ministack, ELB's records by moto, and a stand-in for the load
balancer that reads them; everything is gone afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from typing import Any, ClassVar, Self

import boto3
import docker
from pydantic import SecretStr

from blocks.platforms.ecs import EcsPlatform
from tests.blocks.aws_emulators import KEYS, REGION, Emulators
from tests.blocks.image_contract import ImageSubject
from tests.blocks.stand_in_aws import StandInAws
from tests.blocks.stand_in_balancer import StandInBalancer

CLUSTER = f"tes-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}-{os.getpid()}"
LOGS = "/tes"
_ROLE = "arn:aws:iam::000000000000:role/execution"


class QuickEcs(EcsPlatform):
    """Looks more often than AWS would like."""

    _block_type_slug = "quick-ecs-platform"
    poll: ClassVar[float] = 0.2


class EcsSubject(ImageSubject):
    patience = 8.0
    drain = 0.5

    def __init__(self, aws: StandInAws, balancer: StandInBalancer, **options: Any) -> None:
        self.aws, self.balancer = aws, balancer
        given: dict[str, Any] = {
            "region": REGION,
            "cluster": CLUSTER,
            "listener_arn": balancer.listener,
            "subnets": ("subnet-1",),
            "public_address": balancer.address,
            "execution_role_arn": _ROLE,
            "log_group": LOGS,
            "endpoint_url": aws.address,
            "access_key_id": "testing",
            "secret_access_key": SecretStr("testing"),
            "start_seconds": 15.0,
        }
        self.platform = QuickEcs(**(given | options))

    def twin(self, **options: Any) -> Self:
        return type(self)(self.aws, self.balancer, **options)

    async def address(self) -> str:
        """As clients know it. Nobody looks: a look says again what was decided and not told."""
        return self.balancer.address

    async def jobs_left(self) -> list[str]:
        """A task that has ended may be seen for a while: what counts is that AWS was told to end the slow one."""
        return [] if "StopTask" in self.aws.seen else ["a task that nobody ended"]

    async def clean(self) -> None:
        """Nothing that this platform created is left."""
        self.aws.fault = lambda operation: None
        for target in await self.platform.targets():
            await self.platform.place(target).end()
        await self.platform.collect()
        assert await self.platform.garbage() == []
        rules = self.balancer._elb.describe_rules(ListenerArn=self.balancer.listener)["Rules"]
        assert [one for one in rules if not one["IsDefault"]] == []
        deadline = time.monotonic() + 15  # a task is said to have stopped a moment before its container is gone
        while running := [one for one in await self._containers() if one["State"] == "running"]:
            assert time.monotonic() < deadline, [one["Labels"] for one in running]
            await asyncio.sleep(0.2)
        for one in await self._containers():
            with contextlib.suppress(docker.errors.NotFound):  # ministack takes some away itself, sometime
                await asyncio.to_thread(self.balancer._docker.api.remove_container, one["Id"], force=True)

    async def _containers(self) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self.balancer.containers)


def listener(emulators: Emulators) -> str:
    """Of a new load balancer, with the cluster beside it."""
    boto3.client("ecs", endpoint_url=emulators.ministack, **KEYS).create_cluster(clusterName=CLUSTER)
    boto3.client("logs", endpoint_url=emulators.ministack, **KEYS).create_log_group(logGroupName=LOGS)
    ec2 = boto3.client("ec2", endpoint_url=emulators.moto, **KEYS)
    elb = boto3.client("elbv2", endpoint_url=emulators.moto, **KEYS)
    subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]][:2]
    balancer = elb.create_load_balancer(Name="front", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    nothing = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
    made = elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=[nothing])
    return str(made["Listeners"][0]["ListenerArn"])


@contextlib.asynccontextmanager
async def subject_at(emulators: Emulators, arn: str, **options: Any) -> AsyncIterator[EcsSubject]:
    """One with stand-ins of its own; it leaves nothing."""
    async with StandInBalancer(emulators.moto, CLUSTER, arn) as balancer, StandInAws(emulators, balancer) as aws:
        await balancer.refresh()
        subject = EcsSubject(aws, balancer, **options)
        yield subject
        await subject.clean()
