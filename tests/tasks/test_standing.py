"""`tes status` says who holds an environment, what runs, what was left half-way and how to finish it, and whom it could
not ask."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import records
from blocks.platforms import memory
from blocks.platforms.memory import MemoryPlatform
from cli import status as printed
from cli.main import main
from domain import history
from domain.errors import Unavailable
from domain.place import Release, Target
from domain.rollout import plan
from domain.spec import EnvironmentSpec, Migrations, Step
from domain.standing import Standing
from domain.supply import Artifact
from tasks import standing
from tasks.deploy import new_rollout
from tasks.lease import held
from tasks.rollout import HISTORY, PAGE

TARGET = Target(service="shop", environment="production")
CANARY = EnvironmentSpec(strategy="canary", steps=(Step(weight=20), Step(weight=50)))


def release(version: str, irreversible: str | None = None) -> Release:
    migrations = Migrations(command=("migrate",), irreversible=irreversible) if irreversible else None
    artifact = Artifact(kind="bundle", digest=f"sha256:{version}", location="nowhere")
    return Release(service="shop", version=version, artifact=artifact, migrations=migrations, warm=600)


@pytest.fixture
async def platform(tes_home: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MemoryPlatform]:
    """v1 is warm, v2 stable and brought a migration without a way back, v3 was left at 20 %."""
    monkeypatch.setenv("TES_ACTOR", "ada")
    there = MemoryPlatform()
    there.world_state.now = time.time()
    async with held(there, TARGET, "run one") as lease:
        pages: history.History = ()
        for one in (release("v1"), release("v2", "0042")):
            await there.provision(lease, one)
            await there.promote(lease, one.version)
            pages = history.promoted(pages, one, time.time())
        await there.remember(lease, HISTORY, history.write(pages))
        state = await there.inspect(TARGET)
        left = new_rollout(TARGET, release("v3"), state, "canary", plan(CANARY, first=False, migrates=False))
        await there.provision(lease, release("v3"))
        await there.shift(lease, "v3", 20)
        await there.remember(lease, PAGE, left.model_copy(update={"cursor": 3}).model_dump_json())
    yield there
    memory._WORLDS.clear()
    records.close()


async def seen() -> Standing:
    (found,) = [one for one in await standing.standings("shop", {"production": "memory"}) if one.target == TARGET]
    return found


async def test_every_release_is_told_with_its_part_its_weight_and_the_time_it_is_kept(platform: MemoryPlatform) -> None:
    found = await seen()
    assert [(one.role, one.version, one.weight) for one in found.releases] == [
        ("stable", "v2", 80),
        ("candidate", "v3", 20),
        ("warm", "v1", 0),
    ]
    warm = found.releases[2].warm_left
    assert warm is not None and 590 < warm <= 600 and found.lease is None
    assert "migration 0042 of v2 cannot be undone" in found.frozen


async def test_a_rollout_that_was_left_says_where_and_how_to_finish_it(platform: MemoryPlatform) -> None:
    left = (await seen()).rollout
    assert left is not None and (left.version, left.step, left.done, left.steps) == ("v3", "verify 10 s", 3, 8)
    assert not left.running and "tes rollback --environment production takes it back to v2" in left.finish
    assert "the command that began it goes on" in left.finish


async def test_who_holds_it_is_told_with_since_when_token_and_end(platform: MemoryPlatform) -> None:
    before = time.time() - 1
    async with held(platform, TARGET, "ada's second run") as lease:
        for _ in range(100):
            found = await seen()
            assert found.lease is not None and found.rollout is not None and found.rollout.running
            if found.lease.since is not None:
                break
        assert found.lease is not None
        assert (found.lease.holder, found.lease.token) == ("ada's second run", lease.token)
        assert found.lease.since is not None and before <= found.lease.since <= time.time()
        assert 0 < found.lease.expires_in <= 15


async def test_the_last_verdict_and_drift_come_from_the_audit_log(platform: MemoryPlatform) -> None:
    records.audit("eve", "rollout.aborted", str(TARGET), {"version": "v9", "why": "verify: 500"})
    records.audit("eve", "rollout.promoted", str(TARGET), {"version": "v2"})
    records.audit("eve", "drift.FAIL", str(TARGET), {"reasons": ["v2 has 1 of 2 copies"]})
    found = await seen()
    assert found.verdict is not None and (found.verdict.outcome, found.verdict.version) == ("PASS", "v2")
    assert found.drift is not None and (found.drift.outcome, found.drift.why) == ("FAIL", "v2 has 1 of 2 copies")
    text = "\n".join(printed.lines(found))
    for told in ("candidate  v3  20 %", "kept for 10 min more", "left half-way", "last       PASS", "drift      FAIL"):
        assert told in text, text


async def test_without_the_records_all_else_is_told(
    platform: MemoryPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TES_DATABASE_URL", f"sqlite:///{tmp_path}/file/records.db")
    found = await seen()
    assert found.stable == "v2" and found.verdict is None and "are not known" in found.remarks[0]


@pytest.mark.parametrize("silent", ["refuses", "says nothing"])
def test_a_platform_that_cannot_be_asked_is_a_line_and_the_rest_is_shown(
    silent: str, tmp_path: Path, tes_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def named(name: str) -> MemoryPlatform:
        import asyncio

        if name == "docker":
            if silent == "refuses":
                raise Unavailable("no Docker engine answers")
            await asyncio.sleep(60)
        return MemoryPlatform()

    monkeypatch.setattr(standing, "platform_named", named)
    monkeypatch.setattr(standing, "PATIENCE_S", 8.0)
    records.ping()  # made now, and not while the platforms are waited for
    (tmp_path / "tes.yaml").write_text(
        "name: shop\nenvironments:\n  staging: {platform: memory}\n  production: {platform: docker}\n"
    )
    assert main(["status", str(tmp_path), "--json"]) == 2
    places = {one["target"]["environment"]: one for one in json.loads(capsys.readouterr().out)["environments"]}
    assert places["production"]["problem"].startswith("docker cannot be asked: no ")
    assert places["staging"]["problem"] == "" and "nothing is released" in places["staging"]["standing"]
    memory._WORLDS.clear()
