"""A stand-in for an Application Load Balancer: it reads the rule's weights through the emulator's API, asks the real
containers how they are, and shares the public's requests among them.

What is not like ELB: it looks more often than it is told, shares are exact instead of random, and it obeys at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import boto3
import docker

from tests.blocks.aws_emulators import KEYS
from tests.blocks.stand_in_server import StandInServer

_INTERVAL = 0.1  # seconds between two looks at a target
_LABEL = "com.amazonaws.ecs"


class Answered(NamedTuple):
    at: float
    group: str
    status: int
    seconds: float


@dataclass
class Looked:
    """A target's health: `streak` of equal looks, and what the last one said."""

    healthy: bool = False
    asked: bool = False
    good: bool = False
    streak: int = 0
    said: str = ""


@dataclass
class StandInBalancer(StandInServer):
    """`jobs` are the tasks that no service has."""

    moto: str
    cluster: str
    listener: str
    jobs: set[str] = field(default_factory=set)
    weights: dict[str, int] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    targets: dict[str, dict[str, Looked]] = field(default_factory=dict)
    answered: list[Answered] = field(default_factory=list)
    _current: dict[str, float] = field(default_factory=dict)
    _turn: int = 0

    async def __aenter__(self) -> StandInBalancer:
        self._elb = boto3.client("elbv2", endpoint_url=self.moto, **KEYS)
        self._docker = docker.from_env()
        await self.opened()
        self._looking = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._looking
        await self.closed()
        self._docker.close()

    async def refresh(self) -> None:
        """The rule and the groups, as the API has them now."""
        self.weights, self.groups = await self.apart(self._read)

    def _read(self) -> tuple[dict[str, int], dict[str, dict[str, Any]]]:
        groups = {one["TargetGroupArn"]: one for one in self._elb.describe_target_groups()["TargetGroups"]}
        weights: dict[str, int] = {}
        for rule in self._elb.describe_rules(ListenerArn=self.listener)["Rules"]:
            for action in rule["Actions"] if not rule["IsDefault"] else ():
                for one in action.get("ForwardConfig", {}).get("TargetGroups", ()):
                    weights[groups[one["TargetGroupArn"]]["TargetGroupName"]] = one["Weight"]
        return weights, {one["TargetGroupName"]: one for one in groups.values()}

    def containers(self) -> list[dict[str, Any]]:
        """Those of the cluster, as the engine tells them."""
        filters = {"label": ["ministack=ecs"]}
        found = self._docker.api.containers(all=True, filters=filters)
        return [one for one in found if one["Labels"][f"{_LABEL}.cluster"].endswith(f"/{self.cluster}")]

    async def _look(self) -> None:
        while True:
            running: dict[str, set[str]] = {}
            for one in await self.apart(self.containers):
                if one["State"] == "running" and one["Labels"][f"{_LABEL}.task-arn"] not in self.jobs:
                    running.setdefault(one["Labels"][f"{_LABEL}.task-definition-family"], set()).add(_address(one))
            for name in {*self.targets, *running}:
                known = self.targets.get(name, {})
                self.targets[name] = {one: known.get(one, Looked()) for one in running.get(name, ())}
            asked = [
                self._ask(self.groups[name], address, looked)
                for name, known in self.targets.items()
                for address, looked in known.items()
                if name in self.weights
            ]
            await asyncio.gather(*asked)
            await asyncio.sleep(_INTERVAL)

    async def _ask(self, group: Mapping[str, Any], address: str, looked: Looked) -> None:
        request = f"GET {group['HealthCheckPath']} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        try:
            async with asyncio.timeout(2):
                status, _ = await _asked(address, group["Port"], request)
            good, said = 200 <= status < 300, f"Health checks failed with these codes: [{status}]"
        except (OSError, EOFError, TimeoutError):
            good, said = False, "Health checks failed"
        looked.streak = looked.streak + 1 if looked.asked and good == looked.good else 1
        looked.asked, looked.good, looked.said = True, good, "" if good else said
        if looked.streak >= group["HealthyThresholdCount" if good else "UnhealthyThresholdCount"]:
            looked.healthy = good

    def arns(self) -> set[str]:
        return {str(one["TargetGroupArn"]) for one in self.groups.values()}

    def health(self, arn: str) -> list[tuple[str, int, str, str]]:
        """Address, port, state, description: what DescribeTargetHealth tells."""
        group = next(one for one in self.groups.values() if one["TargetGroupArn"] == arn)
        name = group["TargetGroupName"]
        found = []
        for address, looked in self.targets.get(name, {}).items():
            if name not in self.weights:
                state, said = "unused", "Target group is not configured to receive traffic from the load balancer"
            elif looked.healthy:
                state, said = "healthy", ""
            else:
                state, said = ("unhealthy", looked.said) if looked.said else ("initial", "Health checks in progress")
            found.append((address, group["Port"], state, said))
        return found

    def _next(self) -> tuple[str, str, int]:
        """Smooth weighted round robin over the groups, plain within one."""
        total = sum(self.weights.values())
        assert total, "no group has a weight"
        current = {name: self._current.get(name, 0) + weight for name, weight in self.weights.items()}
        name = max(current, key=lambda one: current[one])
        current[name] -= total
        self._current = current
        known = sorted(self.targets.get(name, {}).items())
        healthy = [address for address, looked in known if looked.healthy] or [address for address, _ in known]
        self._turn += 1
        return name, healthy[self._turn % len(healthy)], self.groups[name]["Port"]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await reader.readuntil(b"\r\n\r\n")
        began, now = time.monotonic(), time.time()
        try:
            name, address, port = self._next()
        except (AssertionError, ZeroDivisionError):
            name, status, answer = "", 503, b"HTTP/1.1 503 None\r\nContent-Length: 0\r\n\r\n"
        else:
            try:
                status, answer = await _asked(address, port, request)
            except (OSError, EOFError):
                status, answer = 502, b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n"
        self.answered.append(Answered(now, name, status, time.monotonic() - began))
        writer.write(answer)
        return True


async def _asked(address: str, port: int, request: bytes) -> tuple[int, bytes]:
    """Status, and the whole answer."""
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length:")[2].split()[0])
        return int(head.split(b" ")[1]), head + await reader.readexactly(size)
    finally:
        writer.close()


def _address(container: Mapping[str, Any]) -> str:
    return str(next(iter(container["NetworkSettings"]["Networks"].values()))["IPAddress"])
