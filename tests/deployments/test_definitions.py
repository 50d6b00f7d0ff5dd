"""prefect.yaml is read as it stands, and what it names exists."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from prefect import Flow
from prefect.flows import load_flow_from_entrypoint

from deployments.definitions import Deployment, definitions, prefect_yaml
from domain.errors import SpecError

ALL = definitions()
TOGETHER = ("release_together", "deploy_together", "rollback_together")
MOVES = ("release", "deploy", "rollback", "drift", *TOGETHER)
REGULAR = {"execution/nightly", "selection/nightly", "flakiness/daily", "drift/staging", "drift/production"}


def test_the_deployments_that_the_documentation_names_are_there() -> None:
    stages = {f"{flow}/default" for flow in ("build", "scan", "execution", "shard", "load")}
    places = {f"{flow}/{place}" for flow in MOVES for place in ("staging", "production")}
    nights = {"execution/nightly", "selection/nightly", "flakiness/daily"}
    assert {one.full_name for one in ALL} == stages | places | nights
    assert len(ALL) == len(stages | places | nights)


@pytest.mark.parametrize("deployment", ALL, ids=lambda one: one.full_name)
def test_every_entrypoint_loads_and_takes_the_parameters(deployment: Deployment) -> None:
    flow: Flow[..., object] = load_flow_from_entrypoint(deployment.entrypoint, use_placeholder_flow=False)
    assert flow.name == deployment.flow_name
    assert set(deployment.parameters) <= set(inspect.signature(flow.fn).parameters)
    assert flow.validate_parameters(deployment.parameters)


@pytest.mark.parametrize("deployment", ALL, ids=lambda one: one.full_name)
def test_an_entrypoint_is_a_dotted_path(deployment: Deployment) -> None:
    """A file path would leave flows/ on sys.path, and every module there would exist twice."""
    assert ":" not in deployment.entrypoint and "/" not in deployment.entrypoint


def test_a_deployment_named_for_an_environment_goes_there() -> None:
    named = [one for one in ALL if one.name in ("staging", "production")]
    assert len(named) == 2 * len(MOVES)
    assert all(one.parameters["environment"] == one.name and one.name in one.tags for one in named)


def test_what_runs_by_itself_has_a_schedule_and_nothing_else_has() -> None:
    scheduled = {one.full_name: one.schedules for one in ALL if one.schedules}
    assert set(scheduled) == REGULAR
    assert all(len(one) == 1 and one[0].active and one[0].timezone == "UTC" for one in scheduled.values())


def test_the_file_is_the_one_at_the_root() -> None:
    assert prefect_yaml() == Path(__file__).resolve().parents[2] / "prefect.yaml"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no list `deployments`"),
        ("deployments: {}", "no list `deployments`"),
        ("deployments: [", "cannot be read"),
        ("deployments: [{name: a}]", r"deployments\[0\] lacks or misuses 'entrypoint'"),
        ("deployments: [{name: a, entrypoint: b.c}]", "lacks or misuses 'work_pool'"),
        ("deployments: [{name: a, entrypoint: b.c, work_pool: d}]", "lacks or misuses"),
        ("deployments: [3]", "lacks or misuses"),
        ("deployments: [{name: a, entrypoint: b.c, work_pool: {name: d}, schedules: [{at: 1}]}]", "lacks or misuses"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_that_names_it(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "prefect.yaml").write_text(text)
    with pytest.raises(SpecError, match=says) as caught:
        definitions(tmp_path / "prefect.yaml")
    assert "prefect.yaml" in str(caught.value) and caught.value.fix


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="prefect.yaml"):
        definitions(tmp_path / "prefect.yaml")
