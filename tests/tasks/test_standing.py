"""`tes status` says who holds an environment, what runs, what was left half-way and how to finish it, and whom it could
not ask."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
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
from domain.place import Release, ServiceState, Target
from domain.rollout import plan
from domain.spec import EnvironmentSpec, Migrations, Step
from domain.standing import Standing
from domain.supply import Artifact
from tasks import standing
from tasks.deploy import new_rollout
from tasks.lease import held
from tasks.rollout import HISTORY, PAGE

ROOT = Path(__file__).resolve().parents[2]
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
        if name == "docker":
            if silent == "refuses":
                raise Unavailable("no Docker engine answers")
            await asyncio.sleep(60)
        return MemoryPlatform()

    monkeypatch.setattr(standing, "platform_named", named)
    records.ping()  # made now, and not while the platforms are waited for
    (tmp_path / "tes.yaml").write_text(
        "name: shop\nenvironments:\n  staging: {platform: memory}\n  production: {platform: docker}\n"
    )
    assert main(["status", str(tmp_path), "--json", "--wait", "8"]) == 2
    places = {one["target"]["environment"]: one for one in json.loads(capsys.readouterr().out)["environments"]}
    assert places["production"]["problem"].startswith("docker cannot be asked: no ")
    assert places["staging"]["problem"] == "" and "nothing is released" in places["staging"]["standing"]
    memory._WORLDS.clear()


class Waiting:
    """Answers when so many have been asked, and not before."""

    def __init__(self, many: int) -> None:
        self._many, self._asked, self._all = many, 0, asyncio.Event()
        self.recall = MemoryPlatform().recall

    async def targets(self) -> list[Target]:
        return [Target(service=service, environment="staging") for service in ("a", "b", "mute")]

    async def inspect(self, target: Target) -> ServiceState:
        if target.service == "mute":
            await asyncio.Event().wait()
        self._asked += 1
        if self._asked == self._many:
            self._all.set()
        await self._all.wait()
        return await MemoryPlatform().inspect(target)


async def test_all_are_asked_at_once_and_one_that_is_mute_is_named_beside_the_others(
    tes_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two services of the local platform and two environments elsewhere wait for each other: one after the other, none
    would answer."""
    platform = Waiting(4)

    async def named(name: str) -> Waiting:
        if name == "docker":
            await asyncio.Event().wait()
        return platform

    monkeypatch.setattr(standing, "platform_named", named)
    records.ping()
    places = {"staging": "memory", "production": "memory", "elsewhere": "docker"}
    found = await standing.standings("shop", places, 8)
    told = {f"{one.target.service} {one.target.environment}": one.problem for one in found}
    assert told == {
        "a staging": "",
        "b staging": "",
        "mute staging": "local cannot be asked: no answer in 8 s",
        "shop staging": "",
        "shop production": "",
        "shop elsewhere": "docker cannot be asked: no answer in 8 s",
    }
    memory._WORLDS.clear()


async def test_a_database_that_says_nothing_is_no_fault_of_the_platform(
    platform: MemoryPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    monkeypatch.setattr(standing, "audit_entries", lambda *_, **__: over.wait(60))
    found = [one for one in await standing.standings("shop", {"production": "memory"}, 1) if one.target == TARGET]
    assert not over.is_set() and found[0].stable == "v2" and found[0].problem == ""
    assert "last verdict and drift are not known: the records did not answer in 1 s" in found[0].remarks
    over.set()


# A platform whose SDK never returns: its thread cannot be stopped, and must not be waited for.
_MUTE = """\
import asyncio, sys, threading
from blocks.platforms.memory import MemoryPlatform
from tasks import standing
class Mute:
    async def inspect(self, target):
        await asyncio.to_thread(threading.Event().wait)
async def named(name):
    return Mute() if name == "docker" else MemoryPlatform()
standing.platform_named = named
from cli import main
sys.argv = ["tes", "status", sys.argv[1], "--wait", "3"]
main.command()
"""


def test_the_command_ends_though_the_thread_that_asks_does_not(tmp_path: Path, tes_home: Path) -> None:
    (tmp_path / "tes.yaml").write_text(
        "name: shop\nenvironments:\n  staging: {platform: memory}\n  production: {platform: docker}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", _MUTE, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2 and not done.stderr, done.stderr
    assert "shop in production: docker cannot be asked: no answer in 3 s" in done.stdout
    assert "nothing is released" in done.stdout
