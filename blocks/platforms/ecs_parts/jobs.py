"""A job: one task with a release's definition and another command."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

from blocks.platforms.ecs_parts import stopped, task_definition
from blocks.platforms.ecs_parts.aws import Aws
from blocks.platforms.ecs_parts.errors import Said
from blocks.platforms.ecs_parts.names import Tags, small
from blocks.platforms.ecs_parts.setup import CONTAINER, Setup
from domain.errors import Rejected, Unavailable
from domain.place import Job, JobResult, Release

TIMED_OUT = 124
STARTED_BY = "tes-job"
_OUTPUT = 100_000  # characters that are kept
_LATE = 5.0  # seconds within which CloudWatch has a log's last lines
_POLL = 1.0


def composed(setup: Setup, definition: str, release: Release, job: Job) -> dict[str, Any]:
    """A RunTask without tags."""
    override = {"name": CONTAINER, "command": task_definition.command(release, job.command)}
    return {
        "cluster": setup.cluster,
        "taskDefinition": definition,
        "count": 1,
        "overrides": {"containerOverrides": [override]},
        "networkConfiguration": setup.network(),
        **setup.capacity(job=True),
        "startedBy": STARTED_BY,
    }


async def run(
    aws: Aws, setup: Setup, name: str, request: dict[str, Any], job: Job, tags: Tags, poll: float = _POLL
) -> JobResult:
    """Its exit code and output; 124 when its time was over and it was stopped. Its time counts from its start, and a
    task that AWS cannot start is no result: Rejected where trying again changes nothing, else Unavailable."""
    began = time.monotonic()
    task = await _started(aws, request, job, tags)
    arn = task["taskArn"]
    patience, running = setup.start_seconds, 0.0
    try:
        while True:
            task = await _described(aws, setup.cluster, arn) or task
            if task["lastStatus"] == "STOPPED":
                break
            waiting = not task.get("startedAt")
            running = 0.0 if waiting else running or time.monotonic()
            if waiting and time.monotonic() - began > patience:
                raise Unavailable(f"AWS has not started the job {job.name} within {patience:g} s: {task['lastStatus']}")
            if running and time.monotonic() - running > job.timeout:
                await _stop(aws, setup.cluster, arn, f"its {job.timeout:g} s are over")
                output = await _output(aws, setup, name, arn)
                return JobResult(exit_code=TIMED_OUT, output=output, seconds=time.monotonic() - began)
            await asyncio.sleep(poll)
    except BaseException:  # cancelled as well: nobody would look after the task any more
        await _stop(aws, setup.cluster, arn, "whoever waited for it is gone")
        raise
    code = next((one.get("exitCode") for one in task["containers"] if one["name"] == CONTAINER), None)
    if code is None:
        why = f"the job {job.name} did not run: {stopped.words(task)}"
        raise Rejected(why) if stopped.hopeless([task]) else Unavailable(why)
    return JobResult(exit_code=int(code), output=await _output(aws, setup, name, arn), seconds=time.monotonic() - began)


async def _started(aws: Aws, request: dict[str, Any], job: Job, tags: Tags) -> dict[str, Any]:
    answer = await aws.call("ecs", "RunTask", **request, tags=small(tags), clientToken=uuid.uuid4().hex)
    if not answer.get("tasks"):
        reasons = [f"{one.get('reason')} {one.get('detail') or ''}".strip() for one in answer.get("failures", [])]
        raise Unavailable(f"AWS has no place for the job {job.name}: {', '.join(reasons) or 'no reason'}")
    task: dict[str, Any] = answer["tasks"][0]
    return task


async def _described(aws: Aws, cluster: str, arn: str) -> dict[str, Any] | None:
    """None while AWS does not know it yet: what was created is told a moment later."""
    answer = await aws.call("ecs", "DescribeTasks", cluster=cluster, tasks=[arn])
    return next(iter(answer["tasks"]), None)


async def _stop(aws: Aws, cluster: str, arn: str, reason: str) -> None:
    try:
        await aws.call("ecs", "StopTask", cluster=cluster, task=arn, reason=reason)
    except Said as error:
        if "not found" not in error.message:
            raise


async def _output(aws: Aws, setup: Setup, name: str, arn: str) -> str:
    """From CloudWatch; a sentence where the block names no log group."""
    if not setup.log_group:
        return "(no output: the block names no log_group)"
    return (await log(aws, setup, name, arn, _LATE))[-_OUTPUT:]


async def log(aws: Aws, setup: Setup, name: str, arn: str, late: float = 0.0) -> str:
    """A task's log; empty where it said nothing within `late` seconds."""
    stream, deadline = f"{name}/{CONTAINER}/{arn.rpartition('/')[2]}", time.monotonic() + late
    while True:
        lines, token = [], None
        try:
            while True:
                more: dict[str, Any] = {"nextToken": token} if token else {}
                answer = await aws.call(
                    "logs",
                    "GetLogEvents",
                    logGroupName=setup.log_group,
                    logStreamName=stream,
                    startFromHead=True,
                    **more,
                )
                lines += [str(event["message"]) for event in answer["events"]]
                if answer.get("nextForwardToken") in (None, token):  # the same again: that was the end
                    break
                token = answer["nextForwardToken"]
        except Said as error:
            if error.code != "ResourceNotFoundException":
                raise
        if lines or time.monotonic() >= deadline:
            return "\n".join(lines)
        await asyncio.sleep(1.0)
