"""What the ECS platform asks AWS for, word by word."""

from __future__ import annotations

from typing import Any

import pytest

from blocks.platforms.ecs_parts import (
    balancer,
    fargate,
    jobs,
    names,
    notebook,
    rule,
    services,
    target_groups,
    task_definition,
)
from blocks.platforms.ecs_parts.balancer import Balancer
from blocks.platforms.ecs_parts.names import Names
from blocks.platforms.ecs_parts.setup import Setup
from domain.charter import Charter, Placed
from domain.errors import Rejected
from domain.place import Job, Target
from domain.spec import Health, Resources
from domain.supply import Artifact
from tests.blocks.ecs_values import DIGEST, NAMES, SETUP, TARGET, release

# Names.


def test_a_name_is_one_that_every_service_takes_and_every_setting_has_its_own() -> None:
    long = Names(Target(service="Überaus langer-Dienst_mit.Zeichen", environment="e"), "tes")
    for name in (NAMES.of(release()), long.of(release()), Names(Target(service="--", environment="e")).of(release())):
        assert names.OURS.match(name) and len(name) <= 32, name
    assert len({NAMES.of(release()), NAMES.of(release(replicas=2)), Names(TARGET, "b").of(release())}) == 3
    assert NAMES.of(release()).startswith(NAMES.prefix)


def test_tags_have_only_letters_that_aws_takes_and_find_their_target_only() -> None:
    tags = NAMES.tags(release(version="v1#ü"))
    assert tags["io.test-execution-system.version"] == "v1__"
    assert NAMES.owns(tags) and not Names(TARGET, "b").owns(tags) and not NAMES.owns({})
    assert names.read(names.small(tags)) == names.read(names.large(tags)) == tags


# Task definitions.


def test_a_task_definition_word_by_word() -> None:
    told = release(
        command=("serve", "--port=${PORT}"),
        port=9000,
        environment={"STAGE": "x", "URL": "overridden"},
        secrets={"URL": "env:DATABASE"},
        resources=Resources(cpus=0.5, memory_mb=1500),
    )
    assert task_definition.composed(SETUP, "tes-x", told, "arn:secret") == {
        "family": "tes-x",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "512",
        "memory": "2048",
        "executionRoleArn": "arn:execution",
        "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        "containerDefinitions": [
            {
                "name": "app",
                "image": f"registry.example/shop@{DIGEST}",
                "essential": True,
                "stopTimeout": 10,
                "portMappings": [{"containerPort": 9000, "protocol": "tcp"}],
                "environment": [
                    {"name": "PORT", "value": "9000"},
                    {"name": "PYTHONUNBUFFERED", "value": "1"},
                    {"name": "STAGE", "value": "x"},
                    {"name": "TES_SERVICE", "value": "shop"},
                    {"name": "TES_VERSION", "value": "v1"},
                ],
                "secrets": [{"name": "URL", "valueFrom": "arn:secret:URL::"}],
                "linuxParameters": {"initProcessEnabled": True},
                "command": ["serve", "--port=9000"],
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": "/tes",
                        "awslogs-region": "eu-west-1",
                        "awslogs-stream-prefix": "tes-x",
                    },
                },
            }
        ],
    }


def test_what_aws_adds_to_a_definition_makes_it_no_other_and_what_was_taken_away_does() -> None:
    mine = task_definition.composed(SETUP, "tes-x", release(environment={"A": "1", "B": "2"}))
    container = mine["containerDefinitions"][0]
    added = {
        "cpu": 0,
        "mountPoints": [],
        "volumesFrom": [],
        "systemControls": [],
        "environment": list(reversed(container["environment"])),
        "portMappings": [{"containerPort": 8000, "hostPort": 8000, "protocol": "tcp"}],
    }
    told = {**mine, "revision": 3, "status": "ACTIVE", "volumes": [], "containerDefinitions": [container | added]}
    assert task_definition.canonical(told) == task_definition.canonical(mine)
    unlogged = {key: value for key, value in container.items() if key != "logConfiguration"}
    assert task_definition.canonical({**mine, "containerDefinitions": [unlogged]}) != task_definition.canonical(mine)
    assert task_definition.canonical({**mine, "memory": "1024"}) != task_definition.canonical(mine)


def test_a_task_runs_the_image_by_the_registrys_digest() -> None:
    artifact = Artifact(kind="image", digest=DIGEST, location="registry.example/shop:1")
    definition = task_definition.composed(SETUP, "tes-x", release(artifact=artifact))
    assert definition["containerDefinitions"][0]["image"] == f"registry.example/shop@{DIGEST}"


def test_a_health_check_in_the_container_stays_within_what_ecs_takes() -> None:
    setup = Setup("r", "c", "l", ("s",), container_health=("CMD-SHELL", "curl -f http://localhost:${PORT}${PATH}"))
    told = release(health=Health(path="/up", interval=0.1, timeout=0.5, failures=50, grace=900))
    assert task_definition.composed(setup, "x", told)["containerDefinitions"][0]["healthCheck"] == {
        "command": ["CMD-SHELL", "curl -f http://localhost:8000/up"],
        "interval": 5,
        "timeout": 2,
        "retries": 10,
        "startPeriod": 300,
    }


@pytest.mark.parametrize(
    ("cpus", "memory", "size"),
    [(None, None, (256, 512)), (None, 3000, (512, 3072)), (1, 1000, (1024, 2048)), (0.3, 200, (512, 1024)),
     (16, 100_000, (16384, 106496)), (5, 1000, (8192, 16384))],
)  # fmt: skip
def test_fargate_gives_the_smallest_task_that_is_large_enough(
    cpus: float | None, memory: int | None, size: tuple[int, int]
) -> None:
    assert fargate.size(Resources(cpus=cpus, memory_mb=memory)) == size


def test_more_than_fargate_has_is_rejected_with_what_to_change() -> None:
    with pytest.raises(Rejected, match="Fargate has no task with 32 processors.*\n.*launch_type: EC2"):
        fargate.size(Resources(cpus=32))


# Services, groups, jobs.


def test_a_service_word_by_word() -> None:
    told = services.composed(SETUP, "tes-x", release(replicas=3), "arn:definition", "arn:group")
    assert told == {
        "cluster": "main",
        "serviceName": "tes-x",
        "taskDefinition": "arn:definition",
        "desiredCount": 3,
        "loadBalancers": [{"targetGroupArn": "arn:group", "containerName": "app", "containerPort": 8000}],
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": ["subnet-1"],
                "securityGroups": ["sg-1"],
                "assignPublicIp": "DISABLED",
            }
        },
        "launchType": "FARGATE",
        "healthCheckGracePeriodSeconds": 30,
        "deploymentConfiguration": {
            "deploymentCircuitBreaker": {"enable": True, "rollback": False},
            "minimumHealthyPercent": 100,
            "maximumPercent": 200,
        },
        "propagateTags": "SERVICE",
    }


def test_jobs_go_to_spot_where_the_block_says_so_and_services_do_not() -> None:
    spot = ({"capacityProvider": "FARGATE_SPOT", "weight": 1},)
    setup = Setup("r", "main", "l", ("s",), job_capacity_provider_strategy=spot)
    job = jobs.composed(setup, "arn:definition", release(port=9), Job(name="m", command=("migrate", "${PORT}")))
    assert job["capacityProviderStrategy"] == [dict(spot[0])] and "launchType" not in job
    assert job["overrides"] == {"containerOverrides": [{"name": "app", "command": ["migrate", "9"]}]}
    assert services.composed(setup, "x", release(), "d", "g")["launchType"] == "FARGATE"


@pytest.mark.parametrize(
    ("there", "change"),
    [
        ({"desiredCount": 7, "taskDefinition": "d"}, {}),
        ({"desiredCount": 0, "taskDefinition": "d"}, {"desiredCount": 3}),
        ({"desiredCount": 3, "taskDefinition": "old"}, {"taskDefinition": "d"}),
        (
            {"desiredCount": 3, "taskDefinition": "d", "loadBalancers": [{"targetGroupArn": "gone"}]},
            {"loadBalancers": [{"targetGroupArn": "g"}]},
        ),
        (
            {
                "desiredCount": 3,
                "taskDefinition": "d",
                "deployments": [{"status": "PRIMARY", "rolloutState": "FAILED"}],
            },
            {"forceNewDeployment": True},
        ),
    ],
)
def test_a_service_that_is_there_is_told_only_what_is_wrong(there: dict[str, Any], change: dict[str, Any]) -> None:
    group = [{"targetGroupArn": "g"}]
    wanted = {"desiredCount": 3, "taskDefinition": "d", "loadBalancers": group}
    assert services.changes({"loadBalancers": group, **there}, wanted) == change


def test_a_target_group_asks_as_often_as_elb_can() -> None:
    quick = release(health=Health(path="/up", interval=0.5, timeout=2.5, successes=1, failures=100))
    told = target_groups.composed("tes-x", quick, "vpc-1")
    assert told["HealthCheckIntervalSeconds"] == 5 and told["HealthCheckTimeoutSeconds"] == 3
    assert (told["HealthyThresholdCount"], told["UnhealthyThresholdCount"]) == (2, 10)
    assert (told["TargetType"], told["Protocol"], told["Port"], told["HealthCheckPath"]) == ("ip", "HTTP", 8000, "/up")


# The rule.


def placed(version: str, weight: int = 0, warm: float | None = None) -> Placed:
    return Placed(release=release(version=version), weight=weight, warm_until=warm, since=warm or 0.0)


def test_a_rule_has_room_for_five_and_the_traffic_and_the_newest_find_it() -> None:
    charter = Charter(
        target=TARGET,
        stable="v6",
        releases=(
            *(placed(f"v{n}", warm=float(n)) for n in range(1, 6)),
            placed("v6", 90),
            placed("v7", 10),
        ),
    )
    shares = rule.shares(charter, NAMES)
    called = {NAMES.of(one.release): one.release.version for one in charter.releases}
    assert {called[name]: weight for name, weight in shares.items()} == {"v6": 90, "v7": 10, "v5": 0, "v4": 0, "v3": 0}


def test_a_forward_word_by_word_and_an_answer_of_its_own_without_a_release() -> None:
    assert rule.actions({"b": 90, "a": 10}, {"a": "arn:a", "b": "arn:b"}) == [
        {
            "Type": "forward",
            "ForwardConfig": {
                "TargetGroups": [
                    {"TargetGroupArn": "arn:a", "Weight": 10},
                    {"TargetGroupArn": "arn:b", "Weight": 90},
                ]
            },
        }
    ]
    assert rule.actions({}, {})[0]["FixedResponseConfig"]["StatusCode"] == "503"


PATH = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/*"]}}


def test_a_rule_for_everything_comes_last_and_any_other_first() -> None:
    rules: list[dict[str, Any]] = [{"RuleArn": "d", "Priority": "default", "IsDefault": True, "Conditions": []}]
    host = {"Field": "host-header", "HostHeaderConfig": {"Values": ["a.example"]}}
    assert rule.place([PATH], rules) == 50_000
    assert rule.place([host, PATH], [*rules, {"RuleArn": "x", "Priority": "1", "Conditions": [host]}]) == 2


def test_two_rules_for_the_same_requests_are_refused() -> None:
    told = {"Field": "path-pattern", "Values": ["/*"], "PathPatternConfig": {"Values": ["/*"]}}
    with pytest.raises(Rejected, match="takes the same requests already.*\n.*`host` or `path`"):
        rule.place([PATH], [{"RuleArn": "x", "Priority": "7", "Conditions": [told]}])


def test_conditions_and_address_have_the_targets_own_words() -> None:
    setup = Setup("r", "c", "l", ("s",), host="{service}.{environment}.example", path="/{service}/*")
    assert setup.conditions(TARGET) == [
        {"Field": "host-header", "HostHeaderConfig": {"Values": ["shop.staging.example"]}},
        {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/shop/*"]}},
    ]
    https = Balancer("arn", "vpc", "https://front.elb.example:8443")
    assert balancer.address(https, setup, TARGET) == "https://shop.staging.example:8443"
    assert balancer.address(https, SETUP, TARGET) == "https://front.elb.example:8443"


# Charters.


def test_a_charter_is_written_over_the_serial_that_was_read_or_over_nothing() -> None:
    first = notebook.write("t", NAMES, Charter(target=TARGET), None)
    assert first["ConditionExpression"] == "attribute_not_exists(#serial)"
    next_ = notebook.write("t", NAMES, Charter(target=TARGET, serial=8), 7)
    assert next_["ConditionExpression"] == "#serial = :seen"
    assert next_["ExpressionAttributeValues"] == {":seen": {"N": "7"}}
    assert next_["Item"]["serial"] == {"N": "8"} and next_["Item"]["target"] == {"S": "staging/shop"}


def test_a_charter_that_no_item_can_hold_is_rejected() -> None:
    with pytest.raises(Rejected, match="400 kB"):
        notebook.write("t", NAMES, Charter(target=TARGET, pages={"a": "x" * 400_000}), 1)
