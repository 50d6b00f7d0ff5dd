"""How the ECS platform reads what AWS tells, and what its documentation says that AWS must allow."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from blocks.platforms.ecs_parts import copies, stopped, traffic
from blocks.platforms.ecs_parts.errors import translated, unreached
from blocks.platforms.ecs_parts.target_groups import TargetHealth
from domain.errors import Rejected, Unavailable
from tests.blocks.ecs_values import release

ROOT = Path(__file__).resolve().parent.parent.parent

# What runs.

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def task(address: str = "10.0.0.1", status: str = "RUNNING", **changes: Any) -> dict[str, Any]:
    details = [{"name": "subnetId", "value": "s"}, {"name": "privateIPv4Address", "value": address}]
    return {
        "taskArn": "arn:aws:ecs:r:1:task/main/abc",
        "lastStatus": status,
        "startedAt": NOW,
        "attachments": [{"type": "ElasticNetworkInterface", "details": details}],
        "containers": [{"name": "app", "healthStatus": "UNKNOWN"}],
        **changes,
    }


def ended(reason: str, code: int | None, stop: str = "EssentialContainerExited", why: str = "") -> dict[str, Any]:
    container = {"name": "app", "exitCode": code, "reason": why}
    return {"taskArn": "a/b", "stoppedReason": reason, "stopCode": stop, "containers": [container], "startedAt": NOW}


@pytest.mark.parametrize(
    ("one", "health", "reason"),
    [
        (task(), TargetHealth("healthy", ""), ""),
        (task(), TargetHealth("unhealthy", "codes: [500]"), "the load balancer says unhealthy: codes: [500]"),
        (task(), None, "the load balancer does not know it yet"),
        (task(status="PENDING"), None, "its task is pending"),
        (
            task(containers=[{"name": "app", "healthStatus": "UNHEALTHY"}]),
            TargetHealth("healthy", ""),
            "its own health check in the container fails",
        ),
    ],
)
def test_a_copy_is_healthy_when_the_load_balancer_says_so(
    one: dict[str, Any], health: TargetHealth | None, reason: str
) -> None:
    copy = copies.copy(one, 8000, {"10.0.0.1": health} if health else {})
    assert (copy.healthy, copy.reason, copy.address) == (not reason, reason, "http://10.0.0.1:8000")


def test_grace_begins_when_the_last_copy_runs_and_not_before() -> None:
    active = {"status": "ACTIVE"}
    running = [task(), task("10.0.0.2", "PENDING", startedAt=None)]
    assert copies.at(release(replicas=2), active, running, [], {}).began is None
    assert copies.at(release(replicas=2), active, [task(), task("10.0.0.2")], [], {}).began == NOW.timestamp()
    assert copies.at(release(replicas=2), active, [task()], [], {}).began is None


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (
            ended("Essential container in task exited", 1),
            "it ended with exit code 1: Essential container in task exited",
        ),
        (
            ended(
                "Essential container in task exited", 137, why="OutOfMemoryError: Container killed due to memory usage"
            ),
            "it was killed for want of memory (exit code 137; Essential container in task exited; OutOfMemoryError: "
            "Container killed due to memory usage): raise release.resources.memory_mb",
        ),
        (
            ended("CannotPullContainerError: pull image manifest: not found", None, "TaskFailedToStart"),
            "it could not be started: CannotPullContainerError: pull image manifest: not found: does the image exist, "
            "and may the execution role pull it?",
        ),
        (
            ended("Your Spot Task was interrupted.", 143, "SpotInterruption"),
            "AWS took its Spot capacity back: Your Spot Task was interrupted.",
        ),
        (ended("", None, "TaskFailedToStart"), "it could not be started: TaskFailedToStart"),
    ],
)
def test_why_a_task_ended_is_told_in_words(one: dict[str, Any], words: str) -> None:
    assert stopped.words(one) == words


def test_a_release_is_given_up_after_three_ends_or_at_once_for_an_image_that_cannot_be_had() -> None:
    crash, pull = ended("Essential container in task exited", 1), "CannotPullContainerError: no such image"
    assert stopped.hopeless([crash, crash]) == ""
    assert "3 tasks ended: it ended with exit code 1" in stopped.hopeless([crash] * 3)
    assert "does the image exist" in stopped.hopeless([ended(pull, None, "TaskFailedToStart")])
    assert (
        stopped.hopeless([ended("Scaling activity initiated by deployment", 0, "ServiceSchedulerInitiated")] * 5) == ""
    )


def test_a_deployment_that_aws_gave_up_and_a_place_that_it_lacks_are_told() -> None:
    failed = {"status": "PRIMARY", "rolloutState": "FAILED", "rolloutStateReason": "tasks failed to start."}
    seen = copies.at(release(), {"status": "ACTIVE", "deployments": [failed]}, [], [], {})
    assert seen.trouble == "AWS gave it up: tasks failed to start."
    event = {"message": "(service x) was unable to place a task because no container instance met its requirements."}
    seen = copies.at(release(), {"status": "ACTIVE", "events": [event]}, [], [], {})
    assert not seen.trouble and "unable to place a task" in seen.copies[0].reason


# Metrics and errors.


def test_metrics_are_asked_over_the_whole_time_and_read_as_traffic() -> None:
    group = "arn:aws:elasticloadbalancing:r:1:targetgroup/tes-x/1a"
    asked = traffic.queries("arn:aws:elasticloadbalancing:r:1:loadbalancer/app/front/2b", group, 1000.0, 1090.0)
    first = asked["MetricDataQueries"][0]["MetricStat"]
    assert first["Metric"]["Dimensions"] == [
        {"Name": "LoadBalancer", "Value": "app/front/2b"},
        {"Name": "TargetGroup", "Value": "targetgroup/tes-x/1a"},
    ]
    assert {one["MetricStat"]["Period"] for one in asked["MetricDataQueries"]} == {120}
    results: list[dict[str, Any]] = [
        {"Id": "requestcount", "Values": [10.0, 5.0]},
        {"Id": "httpcode_target_5xx_count", "Values": [1.0]},
        {"Id": "targetconnectionerrorcount", "Values": [2.0]},
        {"Id": "p50", "Values": [0.1, 0.2]},
        {"Id": "p95", "Values": []},
    ]
    told = traffic.told("v1", results, 90.0)
    assert (told.requests, told.errors, told.p50, told.p95, told.seconds) == (15, 3, 0.2, 0.0, 90.0)


def test_the_action_that_is_missing_is_taken_from_what_aws_says() -> None:
    said = "User: x is not authorized to perform: iam:PassRole on resource: y"
    error = translated("ecs:RegisterTaskDefinition", "AccessDeniedException", said, 400)
    assert isinstance(error, Rejected) and error.message.startswith("AWS denies iam:PassRole") and error.fix


@pytest.mark.parametrize(
    ("name", "kind"),
    [("NoCredentialsError", Rejected), ("ProfileNotFound", Rejected), ("TokenRetrievalError", Rejected),
     ("ParamValidationError", Rejected), ("ReadTimeoutError", Unavailable), ("EndpointConnectionError", Unavailable)],
)  # fmt: skip
def test_what_came_without_an_answer_is_told_apart_by_its_kind(name: str, kind: type[Exception]) -> None:
    assert type(unreached("ecs:X", type(name, (Exception,), {})("why"))) is kind


def test_the_documented_policy_allows_every_operation_that_is_asked_and_no_more() -> None:
    page = (ROOT / "docs/reference/ecs-platform.md").read_text(encoding="utf-8")
    policy = json.loads(page.partition("```json\n")[2].partition("```")[0])
    allowed = {
        one
        for statement in policy["Statement"]
        for one in [statement["Action"]]
        for one in ([one] if isinstance(one, str) else one)
    }
    asked = {"iam:PassRole", "ecs:TagResource", "elasticloadbalancing:AddTags"}
    asked |= {"dynamodb:TagResource", "secretsmanager:TagResource"}  # creating with tags
    for path in [*(ROOT / "blocks/platforms/ecs_parts").glob("*.py"), ROOT / "blocks/platforms/ecs.py"]:
        text = path.read_text(encoding="utf-8")
        called = re.findall(r'"(ecs|elbv2|dynamodb|secretsmanager|logs|cloudwatch)",\s*"([A-Z]\w+)"', text)
        called += [("ecs", name) for name in re.findall(r'_said\(aws, "(\w+)"', text)]
        asked |= {f"{service.replace('elbv2', 'elasticloadbalancing')}:{name}" for service, name in called}
    assert allowed == asked
