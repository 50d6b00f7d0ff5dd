"""Rounds of platforms.py on an emulator of ECS: the platform, and a service that ECS itself rolls and takes back.

ministack runs the tasks as containers; the load balancer in front is a stand-in that reads moto's rules. What it shows
is what each way asks of ECS, not how fast AWS is.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3

from benchmarks._clients import NEW, OLD, Clients, measured, seen, timed
from tests.blocks.aws_emulators import KEYS, Emulators, running
from tests.blocks.ecs_subject import CLUSTER, listener, subject_at
from tests.blocks.images import IMAGE, image
from tests.blocks.platform_contract import TARGET
from tests.blocks.stand_in_aws import StandInAws
from tests.blocks.stand_in_balancer import StandInBalancer

NAME = "native"
BAD = "bad"
PORT = 8000
LONGEST = 180.0  # seconds that ECS may take for one change


@contextlib.contextmanager
def emulated() -> Iterator[tuple[Emulators, str]]:
    """The emulators, and a load balancer's listener."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as emulators:
        yield emulators, listener(emulators)


async def platform_round(emulators: Emulators, arn: str) -> dict[str, float]:
    async with subject_at(emulators, arn) as subject:
        return await measured(subject, await subject.platform.acquire(TARGET, "benchmark", 600))


async def native_round(emulators: Emulators, arn: str) -> dict[str, float]:
    """UpdateService and, going back, UpdateService to the definition before; `abort` is a bad one, from the update
    until ECS's circuit breaker has it back."""
    async with StandInBalancer(emulators.moto, CLUSTER, arn) as balancer, StandInAws(emulators, balancer) as aws:
        native = Native(aws.address, arn)
        await native.begin()
        try:
            async with Clients(balancer.address) as load:
                await load.only(OLD, time.time())
                found = {"switch": await timed(load, NEW, lambda: native.update(NEW))}
                found["release"] = found["switch"]
                found["back"] = await timed(load, OLD, lambda: native.update(OLD))
                found["abort"] = await timed(load, OLD, lambda: native.update(BAD, ends_as=OLD))
            return found | seen(load)
        finally:
            await native.end()


class Native:
    """One ECS service behind a rule of the listener, with ECS's own rolling update and circuit breaker."""

    def __init__(self, address: str, arn: str) -> None:
        self._ecs = boto3.client("ecs", endpoint_url=address, **KEYS)
        self._elb = boto3.client("elbv2", endpoint_url=address, **KEYS)
        self._listener = arn
        self._definitions: dict[str, str] = {}

    async def _ask(self, call: Callable[..., Any], **words: Any) -> Any:
        return await asyncio.to_thread(lambda: call(**words))  # the servers are in our own loop

    async def begin(self) -> None:
        """OLD has the requests."""
        for version in (OLD, NEW):
            await asyncio.to_thread(image, version)
        crashes = ["python", "-c", "raise SystemExit(3)"]
        serves = ["python", "-S", "-u", "service.py", str(PORT)]
        for version in (OLD, NEW, BAD):
            container = {
                "name": "app",
                "image": f"{IMAGE}:{OLD if version == BAD else version}",
                "command": crashes if version == BAD else serves,
                "environment": [{"name": "HOST", "value": "0.0.0.0"}],  # nosec B104
                "portMappings": [{"containerPort": PORT}],
            }
            made = await self._ask(
                self._ecs.register_task_definition,
                family=NAME,
                networkMode="awsvpc",
                requiresCompatibilities=["FARGATE"],
                cpu="256",
                memory="512",
                containerDefinitions=[container],
            )
            self._definitions[version] = made["taskDefinition"]["taskDefinitionArn"]
        self._group = await self._target_group()
        forward = {"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": self._group, "Weight": 1}]}}
        made = await self._ask(
            self._elb.create_rule,
            ListenerArn=self._listener,
            Priority=1,
            Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
            Actions=[forward],
        )
        self._rule = made["Rules"][0]["RuleArn"]
        await self._ask(
            self._ecs.create_service,
            cluster=CLUSTER,
            serviceName=NAME,
            taskDefinition=self._definitions[OLD],
            desiredCount=1,
            launchType="FARGATE",
            loadBalancers=[{"targetGroupArn": self._group, "containerName": "app", "containerPort": PORT}],
            networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
            deploymentConfiguration={
                "deploymentCircuitBreaker": {"enable": True, "rollback": True},
                "minimumHealthyPercent": 100,
                "maximumPercent": 200,
            },
        )
        await self._settled(OLD)

    async def _target_group(self) -> str:
        balancers = await self._ask(self._elb.describe_load_balancers)
        made = await self._ask(
            self._elb.create_target_group,
            Name=NAME,
            Protocol="HTTP",
            Port=PORT,
            TargetType="ip",
            VpcId=balancers["LoadBalancers"][0]["VpcId"],
            HealthCheckPath="/healthz",
            HealthCheckIntervalSeconds=5,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
        )
        return str(made["TargetGroups"][0]["TargetGroupArn"])

    async def update(self, version: str, ends_as: str | None = None) -> None:
        """ECS takes the service there; with `ends_as` it gives that up and goes back by itself."""
        await self._ask(
            self._ecs.update_service, cluster=CLUSTER, service=NAME, taskDefinition=self._definitions[version]
        )
        if ends_as is not None:
            await self._settled(version, there=False)
        await self._settled(ends_as or version)

    async def _settled(self, version: str, there: bool = True) -> None:
        """Until ECS has that definition as its own, and nothing else is under way; or, not `there`, has another."""
        deadline = time.monotonic() + LONGEST
        while True:
            told = await self._ask(self._ecs.describe_services, cluster=CLUSTER, services=[NAME])
            service = told["services"][0]
            (primary,) = [one for one in service["deployments"] if one["status"] == "PRIMARY"]
            is_it = primary["taskDefinition"] == self._definitions[version]
            if not there and not is_it:
                return
            if there and is_it and primary.get("rolloutState") == "COMPLETED" and service["runningCount"] == 1:
                return
            assert time.monotonic() < deadline, service["deployments"]
            await asyncio.sleep(0.2)

    async def end(self) -> None:
        """Nothing of it is left."""
        await self._ask(self._ecs.delete_service, cluster=CLUSTER, service=NAME, force=True)
        await self._ask(self._elb.delete_rule, RuleArn=self._rule)
        await self._ask(self._elb.delete_target_group, TargetGroupArn=self._group)
