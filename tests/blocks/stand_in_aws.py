"""One address for all of AWS: each request goes to the emulator that knows best, and what no emulator tells as AWS does
is told here: targets' health, and a load balancer's metrics.
"""

from __future__ import annotations

import asyncio
import json
import statistics
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import httpx

from tests.blocks.aws_emulators import Emulators
from tests.blocks.stand_in_balancer import StandInBalancer
from tests.blocks.stand_in_server import StandInServer

_ECS = "AmazonEC2ContainerServiceV20141113"
_ELB = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"
Fault = Callable[[str], bytes | None]
"""Given an operation's name: the bytes that are answered instead, or None. Empty bytes close the connection."""


class StandInAws(StandInServer):
    """`seen` are the operations that were asked, in order; `bodies` what was sent with them."""

    def __init__(self, emulators: Emulators, balancer: StandInBalancer) -> None:
        self.emulators, self.balancer = emulators, balancer
        self.seen: list[str] = []
        self.bodies: list[tuple[str, bytes]] = []
        self.fault: Fault = lambda operation: None

    async def __aenter__(self) -> StandInAws:
        self._client = httpx.AsyncClient(timeout=60)
        await self.opened()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.closed()
        await self._client.aclose()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in head[1:])}
        body = await reader.readexactly(int(fields.get("content-length") or 0))
        operation = fields.get("x-amz-target") or f"elb.{parse_qs(body.decode())['Action'][0]}"
        self.seen.append(operation.rpartition(".")[2])
        self.bodies.append((self.seen[-1], body))
        fault = self.fault(self.seen[-1])
        if fault is not None:
            writer.write(fault)
            return False
        status, kind, answer, extra = await self._answer(operation, fields, body)
        told = f"HTTP/1.1 {status} Said\r\nContent-Type: {kind}\r\n{extra}Content-Length: {len(answer)}\r\n\r\n"
        writer.write(told.encode() + answer)
        return True

    async def _answer(self, operation: str, fields: dict[str, str], body: bytes) -> tuple[int, str, bytes, str]:
        kind = "application/x-amz-json-1.1"
        name = operation.rpartition(".")[2]
        if name == "DescribeTargetHealth":
            arn = parse_qs(body.decode())["TargetGroupArn"][0]
            if arn in self.balancer.arns():  # else moto says that there is none
                return 200, "text/xml", self._health(arn), ""
        if name == "GetMetricData":
            return 200, kind, json.dumps(self._metrics(json.loads(body))).encode(), ""
        ecs = operation.startswith(_ECS)
        if ecs:  # ministack would open every port on every address of this machine
            body = body.replace(b'"portMappings"', b'"unopened"')
        where = self.emulators.moto if operation.startswith("elb.") else self.emulators.ministack
        kept = {key: value for key, value in fields.items() if key in ("authorization", "content-type", "x-amz-target")}
        answer = await self._client.post(f"{where}/", headers=kept, content=body)
        told = answer.content.replace(b'"unopened"', b'"portMappings"') if ecs else answer.content
        if name == "RunTask" and answer.status_code == 200:  # ministack starts a service's own tasks without it
            self.balancer.jobs |= {task["taskArn"] for task in answer.json()["tasks"]}
        if operation.startswith("elb.") and not name.startswith("Describe"):
            await self.balancer.refresh()
        crc = answer.headers.get("x-amz-crc32")
        return (
            answer.status_code,
            answer.headers.get("content-type", kind),
            told,
            f"x-amz-crc32: {crc}\r\n" if crc else "",
        )

    def _health(self, arn: str) -> bytes:
        members = "".join(
            f"<member><Target><Id>{address}</Id><Port>{port}</Port></Target><TargetHealth><State>{state}</State>"
            f"<Description>{escape(said)}</Description></TargetHealth></member>"
            for address, port, state, said in self.balancer.health(arn)
        )
        result = f"<TargetHealthDescriptions>{members}</TargetHealthDescriptions>"
        return (
            f'<DescribeTargetHealthResponse xmlns="{_ELB}"><DescribeTargetHealthResult>{result}'
            "</DescribeTargetHealthResult></DescribeTargetHealthResponse>"
        ).encode()

    def _metrics(self, request: dict[str, Any]) -> dict[str, Any]:
        results = []
        for query in request["MetricDataQueries"]:
            stat, metric = query["MetricStat"]["Stat"], query["MetricStat"]["Metric"]
            group = next(one["Value"] for one in metric["Dimensions"] if one["Name"] == "TargetGroup").split("/")[1]
            seen = [
                one
                for one in self.balancer.answered
                if one.group == group and request["StartTime"] <= one.at < request["EndTime"]
            ]
            value: float = len(seen)
            if metric["MetricName"] == "HTTPCode_Target_5XX_Count":
                value = sum(one.status >= 500 for one in seen)
            elif metric["MetricName"] == "TargetConnectionErrorCount":
                value = 0
            elif stat.startswith("p") and len(seen) > 1:
                value = statistics.quantiles([one.seconds for one in seen], n=100)[int(stat[1:]) - 1]
            values = [value] if seen else []
            results.append({"Id": query["Id"], "Values": values, "Timestamps": [request["StartTime"]] * len(values)})
        return {"MetricDataResults": results}
