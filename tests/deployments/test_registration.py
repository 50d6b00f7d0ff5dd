"""A server is made ready once, and saying it again changes nothing."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import State, StateType
from prefect.events import Event, Resource
from prefect.events.clients import PrefectEventsClient
from prefect.states import Running, Scheduled

from cli.runtime import Runtime, environment
from deployments import zombies
from deployments.change import Did
from deployments.definitions import definitions
from deployments.registration import POOL, setup

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = """
deployments:
  - {name: mine, entrypoint: flows.build.build, work_pool: {name: tes-process}, parameters: {project: "examples"}}
  - {name: gone, entrypoint: flows.no_such.flow, work_pool: {name: tes-process}}
"""


@pytest.fixture
async def client(server: Runtime) -> AsyncIterator[PrefectClient]:
    async with PrefectClient(server.prefect_api_url) as connected:
        yield connected


async def ids(client: PrefectClient) -> dict[str, object]:
    """Everything registered, by name."""
    found = {one.full_name: (await client.read_deployment_by_name(one.full_name)).id for one in definitions()}
    pool = await client.read_work_pool(POOL)
    return {
        **found,
        "pool": pool.id,
        "zombies": [one.id for one in await client.read_automations_by_name(zombies.NAME)],
    }


async def test_repeating_the_setup_changes_nothing(server: Runtime, client: PrefectClient) -> None:
    await setup(server.prefect_api_url)
    first = await ids(client)
    again = await setup(server.prefect_api_url)
    assert {one.did for one in again} == {Did.UNCHANGED}, again
    assert await ids(client) == first
    assert len(first["zombies"]) == 1  # type: ignore[arg-type]


async def test_what_is_registered_already_is_not_sent_again(server: Runtime, tmp_path: Path) -> None:
    remember = tmp_path / "registered"
    assert await setup(server.prefect_api_url, remember=remember)
    assert not await setup(server.prefect_api_url, remember=remember)
    assert await setup(server.prefect_api_url, remember=remember, root=tmp_path)
    (tmp_path / "prefect.yaml").write_text(ELSEWHERE)
    assert await setup(server.prefect_api_url, remember=remember, source=tmp_path / "prefect.yaml")


async def test_the_project_is_an_absolute_path_below_the_root(
    server: Runtime, client: PrefectClient, tmp_path: Path
) -> None:
    (tmp_path / "prefect.yaml").write_text(ELSEWHERE)
    await setup(server.prefect_api_url, root=tmp_path, source=tmp_path / "prefect.yaml")
    mine = await client.read_deployment_by_name("build/mine")
    assert mine.parameters["project"] == str(tmp_path / "examples")
    assert "ref" in (mine.parameter_openapi_schema or {})["properties"]


async def test_a_deployment_without_its_flow_is_left_out(
    server: Runtime, client: PrefectClient, tmp_path: Path
) -> None:
    (tmp_path / "prefect.yaml").write_text(ELSEWHERE)
    await setup(server.prefect_api_url, source=tmp_path / "prefect.yaml")
    known = {one.name for one in await client.read_deployments()}
    assert "mine" in known and "gone" not in known


async def test_a_pause_is_a_persons_to_lift(server: Runtime, client: PrefectClient) -> None:
    await client.update_work_pool(POOL, WorkPoolUpdate(is_paused=True))
    await setup(server.prefect_api_url)
    assert (await client.read_work_pool(POOL)).is_paused is True
    await client.update_work_pool(POOL, WorkPoolUpdate(is_paused=False))


async def test_a_schedule_is_registered_once_and_switching_it_off_is_a_persons_to_say(
    server: Runtime, client: PrefectClient
) -> None:
    await setup(server.prefect_api_url)
    await setup(server.prefect_api_url)
    daily = await client.read_deployment_by_name("flakiness/daily")
    (schedule,) = daily.schedules
    assert schedule.active and getattr(schedule.schedule, "cron", "") == "23 5 * * *"
    await client.update_deployment_schedule(daily.id, schedule.id, active=False)
    await setup(server.prefect_api_url)
    (schedule,) = (await client.read_deployment_by_name("flakiness/daily")).schedules
    assert not schedule.active
    await client.update_deployment_schedule(daily.id, schedule.id, active=True)


async def test_a_night_that_was_missed_is_not_made_up_for_and_what_a_person_asked_for_is(
    server: Runtime, client: PrefectClient
) -> None:
    await client.create_work_pool(WorkPoolCreate(name="off", type="process"), overwrite=True)
    flow = await client.create_flow_from_name("silent")
    deployment = await client.create_deployment(flow, "night", work_pool_name="off", entrypoint="silent.silent")
    past = datetime.now(UTC) - timedelta(hours=9)
    asked = await client.create_flow_run_from_deployment(deployment, state=Scheduled(scheduled_time=past))
    assert await zombies.skip_missed(server.prefect_api_url, "off") == 0
    assert (await state_of(client, asked.id)).type == StateType.SCHEDULED


async def test_prefect_deploy_all_registers_the_same_deployments(server: Runtime, client: PrefectClient) -> None:
    await setup(server.prefect_api_url)
    before = await ids(client)
    deployed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=ROOT,
        env={**os.environ, **environment(server)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    assert await ids(client) == before
    release = await client.read_deployment_by_name("release/production")
    assert release.entrypoint == "flows.release.release" and release.work_pool_name == POOL
    assert release.parameters["project"] == "." and release.pull_steps
    await setup(server.prefect_api_url)
    again = await client.read_deployment_by_name("release/production")
    assert again.parameters["project"] == str(Path.cwd()) and not again.pull_steps


async def running(client: PrefectClient, pool: str | None = None) -> UUID:
    """A run that says Running and has no process."""
    flow = await client.create_flow_from_name("silent")
    deployment = await client.create_deployment(flow, f"of-{pool}", work_pool_name=pool, entrypoint="silent.silent")
    run = await client.create_flow_run_from_deployment(deployment, state=Running())
    return run.id


async def state_of(client: PrefectClient, run: UUID) -> State[Any]:
    state = (await client.read_flow_run(run)).state
    assert state is not None
    return state


async def heartbeat(server: Runtime, run: object) -> None:
    """What Prefect's engine sends every 30 s."""
    resource = Resource({"prefect.resource.id": f"prefect.flow-run.{run}", "prefect.resource.name": "silent"})
    async with PrefectEventsClient(server.prefect_api_url) as sender:
        await sender.emit(Event(event="prefect.flow-run.heartbeat", resource=resource, id=uuid4()))


async def test_a_run_whose_heartbeat_stops_is_marked_crashed(server: Runtime, client: PrefectClient) -> None:
    wanted = zombies.automation(silence=10)
    wanted.name = "quick"
    automation = await client.create_automation(wanted)
    run = await running(client)
    await heartbeat(server, run)
    deadline = time.monotonic() + 60
    while (state := await state_of(client, run)).type != StateType.CRASHED:
        assert time.monotonic() < deadline, f"still {state}"
        await asyncio.sleep(0.5)
    assert "no heartbeat for 10 s" in str(state.message)
    await client.delete_automation(automation)


async def test_only_the_runs_of_the_pool_that_is_dead_are_buried(server: Runtime, client: PrefectClient) -> None:
    await client.create_work_pool(WorkPoolCreate(name="dead", type="process"), overwrite=True)
    lost, other = await running(client, "dead"), await running(client)
    assert await zombies.bury(server.prefect_api_url, "dead") == 1
    assert (await state_of(client, lost)).type == StateType.CRASHED
    assert (await state_of(client, other)).type == StateType.RUNNING
    assert await zombies.bury(server.prefect_api_url, "dead") == 0
