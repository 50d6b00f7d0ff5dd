"""Each file of deployments/pools/ is a base job template that Prefect and its worker can use."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
from pathlib import Path
from typing import Any, cast

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.utilities.schema_tools import validate
from prefect.utilities.templating import find_placeholders

from deployments.pools import TYPES, template
from scripts import pool_templates

ROOT = Path(__file__).resolve().parents[2]
KINDS = sorted(pool_templates.WORKERS)
# What a person has to say because nobody else can know it.
ASKED: dict[str, dict[str, Any]] = {
    "azure-container-instance": {
        "resource_group_name": "shop",
        "subscription_id": "00000000-0000-0000-0000-000000000000",
        "aci_credentials": {},
    },
    "ecs": {"aws_credentials": {}},
}


def variables(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = template(kind)["variables"]
    return found


def defaults(kind: str) -> dict[str, Any]:
    return {name: one["default"] for name, one in variables(kind)["properties"].items() if "default" in one}


def test_there_is_a_template_for_every_type_and_no_other_file() -> None:
    files = {path.stem for path in (ROOT / "deployments/pools").glob("*.json")}
    assert files == set(KINDS) == {one.name for one in TYPES}


@pytest.mark.parametrize("kind", KINDS)
def test_every_placeholder_is_a_variable_and_every_variable_is_used(kind: str) -> None:
    used = {one.name for one in find_placeholders(template(kind)["job_configuration"])}
    assert used == set(variables(kind)["properties"])
    assert set(variables(kind).get("required", ())) <= used


@pytest.mark.parametrize("kind", KINDS)
def test_the_defaults_are_of_the_types_that_they_promise(kind: str) -> None:
    schema = {**variables(kind), "required": []}
    validate(defaults(kind), schema, raise_on_error=True, preprocess=False)
    WorkPoolCreate(name=f"a-{kind}", type=kind, base_job_template=template(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_variable_refers_to_is_there(kind: str) -> None:
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(variables(kind))):
        at: Any = variables(kind)
        for part in reference.split("/"):
            at = at[part]
        assert at["type"] == "object"


@pytest.mark.parametrize("kind", KINDS)
def test_flows_of_every_pool_send_the_heartbeat_that_the_zombie_automation_counts_on(kind: str) -> None:
    assert defaults(kind)["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"


@pytest.mark.parametrize("kind", [one for one in KINDS if one != "process"])
def test_a_container_runs_this_systems_image_and_keeps_to_its_folders(kind: str) -> None:
    assert defaults(kind)["image"] == "test-execution-system:latest"
    assert "part-of" in " ".join(defaults(kind)["labels"])
    assert defaults(kind)["env"]["PREFECT_HOME"].startswith("/var/lib/tes/")
    assert "/var/lib/tes" in (ROOT / "Dockerfile").read_text()


def test_a_kubernetes_job_is_not_repeated_by_the_cluster_is_removed_and_holds_no_privilege() -> None:
    assert defaults("kubernetes")["backoff_limit"] == 0
    assert 0 < defaults("kubernetes")["finished_job_ttl"] <= 3600
    job = template("kubernetes")["job_configuration"]["job_manifest"]["spec"]
    assert job["completions"] == job["parallelism"] == 1
    pod = job["template"]["spec"]
    uid = re.findall(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert uid == [(str(pod["securityContext"]["runAsUser"]), str(pod["securityContext"]["runAsGroup"]))]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["containers"][0]["securityContext"]["allowPrivilegeEscalation"] is False


def test_ecs_reuses_its_task_definitions_and_lets_fargate_spot_be_chosen() -> None:
    assert defaults("ecs")["match_latest_revision_in_family"] is True
    assert "FARGATE_SPOT" in variables("ecs")["properties"]["launch_type"]["enum"]


def test_nobody_but_prefect_starts_a_run_again() -> None:
    assert defaults("cloud-run-v2")["max_retries"] == 0


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
def test_the_pull_policy_can_be_chosen(kind: str) -> None:
    assert defaults(kind)["image_pull_policy"] == "IfNotPresent"


def test_an_entrypoint_is_the_images() -> None:
    assert f' {defaults("azure-container-instance")["entrypoint"]}\n' in (ROOT / "Dockerfile").read_text()


def installed(kind: str) -> bool:
    return importlib.util.find_spec(pool_templates.WORKERS[kind].partition(".")[0]) is not None


@pytest.mark.parametrize("kind", KINDS)
async def test_the_worker_makes_its_configuration_of_it(kind: str) -> None:
    if not installed(kind):
        pytest.skip(f"the worker of {kind} is not installed; its template was checked without it")
    assert (
        pool_templates.text(kind) == (ROOT / f"deployments/pools/{kind}.json").read_text()
    ), "scripts/pool_templates.py"
    module, _, name = pool_templates.WORKERS[kind].partition(":")
    worker = getattr(importlib.import_module(module), name)
    assert worker.type == kind
    values = dict(ASKED.get(kind, {}))
    if kind == "cloud-run-v2":  # without a key they would be looked for on this machine
        credentials = importlib.import_module("prefect_gcp").GcpCredentials
        values["credentials"] = credentials.model_construct(project="shop")
    no_server = cast(PrefectClient, object())
    made = await worker.job_configuration.from_template_and_values(template(kind), values, client=no_server)
    assert made.env["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"


def test_a_type_is_known_by_its_own_name_and_by_its_pools() -> None:
    assert {one.name: one.pool for one in TYPES} == {
        "process": "tes-process",
        "docker": "tes-docker",
        "kubernetes": "tes-kubernetes",
        "ecs": "tes-ecs",
        "cloud-run-v2": "tes-cloud-run",
        "azure-container-instance": "tes-aci",
    }
    assert all(one.package for one in TYPES)
