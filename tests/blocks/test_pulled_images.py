"""A cloud is given no image that it could only find under that name somewhere else."""

from __future__ import annotations

import pytest

from blocks.platforms.azure_container_instances import AzureContainerInstancesPlatform
from blocks.platforms.cloud_run import CloudRunPlatform
from blocks.platforms.ecs import EcsPlatform
from blocks.platforms.kubernetes import KubernetesPlatform
from domain.errors import CapabilityError
from domain.place import Lease, Release, Target
from domain.supply import Artifact

TARGET = Target(service="shop", environment="test")
LEASE = Lease(target=TARGET, holder="ada", token=1, expires=9e9)


def release(location: str) -> Release:
    artifact = Artifact(kind="image", digest="sha256:" + "0" * 64, location=location)
    return Release(service="shop", version="v1", artifact=artifact)


@pytest.mark.parametrize(
    ("platform", "pulls"),
    [
        (EcsPlatform(), True),
        (EcsPlatform(endpoint_url="https://ecs.eu-west-1.amazonaws.com"), True),
        (EcsPlatform(endpoint_url="http://127.0.0.1:4566"), False),
        (EcsPlatform(endpoints={"ecs": "http://127.0.0.1:4566"}), False),
        (CloudRunPlatform(), True),
        (CloudRunPlatform(endpoint="https://europe-west1-run.googleapis.com"), True),
        (CloudRunPlatform(endpoint="http://127.0.0.1:8080"), False),
        (AzureContainerInstancesPlatform(), True),
        (AzureContainerInstancesPlatform(endpoint="https://management.usgovcloudapi.net"), True),
        (AzureContainerInstancesPlatform(endpoint="http://127.0.0.1:8080"), False),
        (KubernetesPlatform(), False),  # its nodes may have it already
    ],
)
def test_clouds_pull_and_what_stands_in_for_them_need_not(platform: EcsPlatform, pulls: bool) -> None:
    assert platform.pulls is pulls


@pytest.mark.parametrize("platform", [EcsPlatform(), CloudRunPlatform(), AzureContainerInstancesPlatform()])
async def test_an_image_of_some_engine_is_refused_with_the_way_to_a_registry(platform: EcsPlatform) -> None:
    with pytest.raises(CapabilityError, match="image shop:v1 of v1 is in no registry") as refused:
        await platform.provision(LEASE, release("shop:v1"))
    assert "build.registry" in refused.value.fix


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("shop:v1", False),
        ("team/shop:v1", False),
        ("registry.example/shop:v1", True),
        ("localhost/shop", True),
        ("127.0.0.1:5000/shop@sha256:0", True),
    ],
)
def test_a_registry_is_told_by_the_first_part_of_the_name(location: str, named: bool) -> None:
    assert release(location).artifact.names_a_registry is named
