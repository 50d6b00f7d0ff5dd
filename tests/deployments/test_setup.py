"""`tes setup` on a server that a team has: everything is there after it, and what people set stays theirs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import (
    DeploymentScheduleUpdate,
    DeploymentUpdate,
    WorkPoolCreate,
    WorkPoolUpdate,
)
from prefect.client.schemas.schedules import CronSchedule

from cli.main import main
from cli.runtime import Runtime
from deployments import pools, zombies
from deployments.change import Change, Did, is_news
from deployments.definitions import definitions
from deployments.pools import pool_and_type
from deployments.registration import setup
from deployments.work_pool import Wanted
from domain.errors import SpecError

# Two of prefect.yaml's, in its words: each takes a third of a second.
FEW = """
deployments:
  - {name: default, entrypoint: flows.scan.scan, parameters: {project: "."}, tags: [tes, scan], work_pool: {name: any}}
  - name: daily
    entrypoint: flows.flakiness.flakiness
    parameters: {project: "."}
    schedules: [{cron: "23 5 * * *", timezone: UTC, slug: tes}]
    work_pool: {name: any}
"""
IMAGE = "registry.example.org/tes:0.1.0"


@pytest.fixture
async def client(server: Runtime) -> AsyncIterator[PrefectClient]:
    async with PrefectClient(server.prefect_api_url) as connected:
        yield connected


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("few") / "prefect.yaml"
    path.write_text(FEW)
    return path


async def run(
    server: Runtime, few: Path, pool: str, project: str | None = "/srv/shop", **words: Any
) -> dict[str, Change]:
    """What was done, by name."""
    name, kind = pool_and_type(pool)
    changes = await setup(server.prefect_api_url, pool=Wanted(name, kind, **words), project=project, source=few)
    return {one.name: one for one in changes}


def default(pool: Any, name: str) -> Any:
    return pool.base_job_template["variables"]["properties"][name].get("default")


def test_the_command_makes_it_ready_once_and_then_says_that_nothing_changed(
    server: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["setup", "--api", server.prefect_api_url, "--pool", "once:docker", "--project", "/srv/shop"]
    assert main([*words, "--limit", "2", "--set", "network_mode=host"]) == 0
    told = capsys.readouterr().out
    assert "pool        once" in told and "created" in told and "is ready" in told
    assert "prefect worker start --pool once" in told
    assert main([*words, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["changed"] is False and again["pool"] == "once"
    assert {one["did"] for one in again["changes"]} == {"unchanged"}
    assert {one["kind"] for one in again["changes"]} == {"pool", "deployment", "automation"}


@pytest.mark.parametrize("kind", pools.TYPES, ids=lambda kind: kind.name)
async def test_a_pool_of_every_type_is_made_of_its_template(
    server: Runtime, few: Path, client: PrefectClient, kind: pools.Type
) -> None:
    name = f"made-{kind.pool}"
    variables = {"image": IMAGE} if kind.in_containers else {}
    await run(server, few, f"{name}:{kind.name}", limit=3, variables=variables)
    made = await client.read_work_pool(name)
    assert made.type == kind.name and made.concurrency_limit == 3
    assert default(made, "env")["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    assert not kind.in_containers or default(made, "image") == IMAGE
    for one in definitions(few):
        there = await client.read_deployment_by_name(one.full_name)
        assert there.work_pool_name == name and there.parameters["project"] == "/srv/shop"


async def test_what_people_set_stays(server: Runtime, few: Path, client: PrefectClient) -> None:
    await run(server, few, "theirs:docker")
    pool = await client.read_work_pool("theirs")
    pool.base_job_template["variables"]["properties"]["volumes"]["default"] = ["/srv:/srv"]
    pool.base_job_template["variables"]["properties"]["env"]["default"] = {"TZ": "UTC"}
    update = WorkPoolUpdate(is_paused=True, concurrency_limit=4, base_job_template=pool.base_job_template)
    await client.update_work_pool("theirs", update)
    scan = await client.read_deployment_by_name("scan/default")
    mine = DeploymentScheduleUpdate(schedule=CronSchedule(cron="1 1 * * *"), active=True, slug="mine")
    changed = DeploymentUpdate(
        paused=True, job_variables={"mem_limit": "1g"}, concurrency_limit=1, tags=["other"], schedules=[mine]
    )
    await client.update_deployment(scan.id, changed)
    (automation,) = await client.read_automations_by_name(zombies.NAME)
    await client.pause_automation(automation.id)

    done = await run(server, few, "theirs")
    assert done["theirs"].did == Did.UPDATED  # the heartbeat is back
    assert done["scan/default"].did == Did.UPDATED  # the tags are
    pool = await client.read_work_pool("theirs")
    assert pool.is_paused and pool.concurrency_limit == 4
    assert default(pool, "volumes") == ["/srv:/srv"]
    assert default(pool, "env") == {
        **pools.template("docker")["variables"]["properties"]["env"]["default"],
        "TZ": "UTC",
    }
    scan = await client.read_deployment_by_name("scan/default")
    assert scan.paused and scan.job_variables == {"mem_limit": "1g"} and "scan" in scan.tags
    assert scan.global_concurrency_limit is not None and scan.global_concurrency_limit.limit == 1
    assert [one.slug for one in scan.schedules] == ["mine"]
    (automation,) = await client.read_automations_by_name(zombies.NAME)
    assert not automation.enabled
    assert not is_news(tuple((await run(server, few, "theirs")).values()))
    await client.resume_automation(automation.id)
    back = DeploymentUpdate(paused=False, job_variables={}, concurrency_limit=None, schedules=[])
    await client.update_deployment(scan.id, back)


async def test_runs_that_are_scheduled_are_not_taken_away_by_saying_it_again(
    server: Runtime, few: Path, client: PrefectClient
) -> None:
    await run(server, few, "kept:docker")
    before = (await client.read_deployment_by_name("flakiness/daily")).updated
    done = await run(server, few, "kept:docker")
    assert done["flakiness/daily"].did == Did.UNCHANGED
    assert (await client.read_deployment_by_name("flakiness/daily")).updated == before


async def test_without_a_project_nothing_in_a_container_runs_by_itself(
    server: Runtime, few: Path, client: PrefectClient
) -> None:
    done = await run(server, few, "idle:docker", project=None)
    daily = await client.read_deployment_by_name("flakiness/daily")
    assert not daily.schedules and daily.parameters["project"] == "."
    assert "--project" in done["flakiness/daily"].why
    await run(server, few, "idle:docker")
    assert [one.active for one in (await client.read_deployment_by_name("flakiness/daily")).schedules] == [True]


async def test_a_pool_that_somebody_else_made_keeps_its_template(
    server: Runtime, few: Path, client: PrefectClient
) -> None:
    template = pools.template("docker")
    template["job_configuration"]["name"] = "ours-{{ name }}"
    new = WorkPoolCreate(name="elsewhere", type="docker", base_job_template=template, description="Ann's")
    await client.create_work_pool(new)
    done = await run(server, few, "elsewhere", variables={"image": IMAGE})
    assert "not made by tes setup" in done["elsewhere"].why
    made = await client.read_work_pool("elsewhere")
    assert made.base_job_template["job_configuration"] == template["job_configuration"]
    assert made.description == "Ann's" and default(made, "image") == IMAGE


@pytest.mark.parametrize(
    ("pool", "variables", "says"),
    [
        ("nowhere", {}, "the server has no such pool, and its type is not said"),
        ("fresh:ecs", {}, "--image: a pool of the type ecs fetches its image from a registry"),
        ("fresh:process", {"image": IMAGE}, "--image: a pool of the type process has no variable 'image'"),
        ("fresh:docker", {"memory": 1}, "--set memory: a pool of the type docker has no variable 'memory'"),
        ("fresh:docker", {"volumes": "a:b"}, "--set volumes='a:b' cannot be used"),
        ("tes-process:docker", {}, "it is of the type process and cannot become docker"),
        ("odd", {}, "it is of the type vertex-ai, which this system has no template for"),
    ],
)
async def test_a_pool_that_cannot_be_is_refused_before_anything_is_made(
    server: Runtime, few: Path, client: PrefectClient, pool: str, variables: dict[str, Any], says: str
) -> None:
    if pool == "odd":
        await client.create_work_pool(WorkPoolCreate(name="odd", type="vertex-ai"), overwrite=True)
    with pytest.raises(SpecError) as caught:
        await run(server, few, pool, variables=variables)
    assert says in caught.value.message and caught.value.fix
    assert "fresh" not in {one.name for one in await client.read_work_pools()}


async def test_the_embedded_worker_of_a_teams_pool_leaves_it_as_it_is(
    server: Runtime, few: Path, client: PrefectClient
) -> None:
    await run(server, few, "process", project=None, variables={"working_dir": "/srv"})
    await client.update_work_pool("tes-process", WorkPoolUpdate(description=pools_description()))
    await setup(server.prefect_api_url)
    assert default(await client.read_work_pool("tes-process"), "working_dir") == "/srv"


def pools_description() -> str:
    """As `tes setup` gives it to a pool that it makes."""
    return Wanted("any", None).description
