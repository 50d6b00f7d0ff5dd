"""What on-call may type, and what is refused before anything is touched."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from blocks.platforms.memory import MemoryPlatform
from cli.rollback import rollback
from domain import history
from domain.errors import SpecError
from domain.place import Release, Target
from domain.supply import Artifact
from settings import settings
from tasks import rollout as machinery
from tasks.rollout import HISTORY
from tests.flows.asked_of_memory import looked


@pytest.mark.parametrize(
    ("service", "environment"), [("../../etc", "production"), ("shop", "../x"), ("", "production"), ("shop", "a b")]
)
def test_a_name_that_could_be_a_path_is_refused(tmp_path: Path, service: str, environment: str) -> None:
    with pytest.raises(SpecError, match="cannot be a name"):
        rollback(tmp_path, environment, service, None)


def test_a_service_is_looked_for_where_on_call_says_it_runs(tmp_path: Path, tes_home: Path) -> None:
    with pytest.raises(SpecError, match="nothing was ever released there on memory"):
        rollback(tmp_path, "production", "shop", None, "memory")
    with pytest.raises(SpecError, match="'moon-platform/x' is no platform"):
        rollback(tmp_path, "production", "shop", None, "moon-platform/x")


def test_a_projects_platform_is_not_named_twice(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="--platform memory goes with --service"):
        rollback(tmp_path, "production", None, None, "memory")


async def test_a_service_goes_back_on_the_platform_that_is_named(
    tes_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a project's folder nor a server is at hand."""
    monkeypatch.setattr(machinery, "verify", looked)
    platform, target = MemoryPlatform(), Target(service="shop", environment="production")
    lease = await platform.acquire(target, "ada", 60)
    for version in ("v1", "v2"):
        artifact = Artifact(kind="image", digest=f"sha256:{version}", location=f"shop:{version}")
        release = Release(service="shop", version=version, artifact=artifact, warm=600)
        await platform.provision(lease, release)
        await platform.promote(lease, version)
        pages = history.read(await platform.recall(target, HISTORY))
        await platform.remember(lease, HISTORY, history.write(history.promoted(pages, release, 1.0)))
    await platform.give_back(lease)
    try:
        await asyncio.to_thread(rollback, Path(), "production", "shop", None, "memory")
        assert (await platform.inspect(target)).stable == "v1"
    finally:
        platform.forget()


def test_a_slip_in_a_name_leaves_nothing_behind(tmp_path: Path, tes_home: Path) -> None:
    with pytest.raises(SpecError, match="nothing was ever released"):
        rollback(tmp_path, "production", "chekout", None)
    assert not (settings().state / "environments").exists()
