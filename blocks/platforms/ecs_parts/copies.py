"""What runs of one release, as copies with reasons: from its service, its tasks and its targets' health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from blocks.platforms.ecs_parts import services, stopped
from blocks.platforms.ecs_parts.setup import CONTAINER, PORT
from blocks.platforms.ecs_parts.target_groups import TargetHealth
from domain.place import CopyState, Release


class Look(NamedTuple):
    """`trouble` says why it will not become healthy; `began` when its youngest copy did, None while one has not."""

    copies: tuple[CopyState, ...]
    trouble: str
    began: float | None


def at(
    release: Release,
    service: Mapping[str, Any] | None,
    running: Sequence[Mapping[str, Any]],
    ended: Sequence[Mapping[str, Any]],
    health: Mapping[str, TargetHealth],
) -> Look:
    """Of the tasks that are to run, and of those that ended, newest first."""
    if service is None or service["status"] != "ACTIVE":
        return Look((), "", None)
    copies = [copy(task, release.port or PORT, health) for task in running]
    missing = max(0, release.replicas - len(copies))
    copies += [_ended(task) for task in ended[:missing]]
    began = [services.moment(task, "startedAt") for task in [*running, *ended[:missing]]]
    sick = missing or not all(one.healthy for one in copies)
    trouble = (stopped.hopeless(ended) or _given_up(service, ended)) if sick else ""
    if missing and not ended and not trouble and service.get("events"):
        why = str(service["events"][0].get("message", ""))
        if "unable" in why:  # to place a task, to assume a role, to register a target
            copies += [CopyState(name=release.version, reason=why)]
    return Look(tuple(copies), trouble, max(began) if began and all(began) and not (missing and not ended) else None)


def _given_up(service: Mapping[str, Any], ended: Sequence[Mapping[str, Any]]) -> str:
    why = services.gave_up(service)
    return f"AWS gave it up: {why}" + (f": {stopped.words(ended[0])}" if ended else "") if why else ""


def copy(task: Mapping[str, Any], port: int, health: Mapping[str, TargetHealth]) -> CopyState:
    """Healthy is a copy that the load balancer says is, and that ECS does not deny."""
    address, status = services.address(task), str(task.get("lastStatus", "")).lower()
    seen = health.get(address)
    denied = any(
        one.get("name") == CONTAINER and one.get("healthStatus") == "UNHEALTHY" for one in task.get("containers", [])
    )
    if status != "running":
        reason = f"its task is {status}"
    elif denied:
        reason = "its own health check in the container fails"
    elif seen is None:
        reason = "the load balancer does not know it yet"
    else:
        reason = "" if seen.state == "healthy" else f"the load balancer says {seen.state}: {seen.reason}"
    return CopyState(
        name=str(task["taskArn"]).rpartition("/")[2],
        address=f"http://{address}:{port}" if address else "",
        healthy=not reason,
        reason=reason,
    )


def _ended(task: Mapping[str, Any]) -> CopyState:
    return CopyState(name=str(task["taskArn"]).rpartition("/")[2], reason=stopped.words(task))
