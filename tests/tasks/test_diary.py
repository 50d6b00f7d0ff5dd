"""Every step of a rollout is in the audit log, whatever becomes of the database, and no rollout fails for it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import records
from blocks.platforms import memory
from blocks.platforms.memory import MemoryPlatform
from blocks.platforms.protocol import HostsServices
from domain.errors import SpecError
from domain.place import Job, JobResult, Lease, Release, Target
from domain.rollout import Action, Rollout, Status, plan
from domain.spec import EnvironmentSpec, Migrations, Step, Verify
from domain.supply import Artifact
from domain.verdict import Outcome, Verdict
from tasks import diary_page, lease
from tasks import rollout as machinery
from tasks.deploy import new_rollout
from tasks.lease import held
from tasks.rollback import roll_back
from tasks.rollout import carry_out

TARGET = Target(service="shop", environment="production")
CANARY = EnvironmentSpec(strategy="canary", steps=(Step(weight=20, bake=0),), verify=Verify(bake=0))


@pytest.fixture(autouse=True)
def quick(tes_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    async def healthy(*_: object, **__: object) -> Verdict:
        return Verdict(gate="verify", outcome=Outcome.PASS, reasons=("0 of 5 requests failed",))

    monkeypatch.setattr(machinery, "verify", healthy)
    monkeypatch.setattr(machinery, "PAUSE", 0.0)
    monkeypatch.setenv("TES_ACTOR", "ada")
    yield
    memory._WORLDS.clear()
    records.close()


@pytest.fixture
def lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The records are out of reach."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TES_DATABASE_URL", f"sqlite:///{tmp_path}/file/records.db")


async def kept(rollout: Rollout, action: Action, verdict: Verdict, began: float) -> None:
    """Takes no notes of its own."""


async def rolled(platform: MemoryPlatform, version: str, migrations: Migrations | None = None) -> Rollout:
    artifact = Artifact(kind="bundle", digest=f"sha256:{version}", location="nowhere")
    release = Release(service="shop", version=version, artifact=artifact, migrations=migrations)
    async with held(platform, TARGET, "ada's run") as lease:
        state = await platform.inspect(TARGET)
        steps = plan(CANARY, first=state.stable is None, migrates=migrations is not None)
        rollout = new_rollout(TARGET, release, state, "canary", steps)
        return await carry_out(platform, lease, rollout, CANARY, kept=kept)


def said() -> list[tuple[str, dict[str, Any]]]:
    """Actions with their details, the oldest first."""
    return [(one.action, json.loads(one.detail)) for one in reversed(records.audit_entries(limit=500).items)]


async def test_every_step_of_a_canary_is_an_entry_with_who_where_which_and_why() -> None:
    platform = MemoryPlatform()
    await rolled(platform, "v1")
    before = len(said())
    over = await rolled(platform, "v2", Migrations(command=("migrate",), irreversible="0042"))
    entries = said()[before:]
    assert [action for action, _ in entries] == [
        "lease.taken",
        "rollout.begun",
        "rollout.migrate",
        "rollout.provision",
        "rollout.wait_ready",
        "rollout.shift",
        "rollout.verify",
        "rollout.promote",
        "rollout.frozen",
        "rollout.verify",
        "rollout.promoted",
        "lease.given_back",
    ]
    for _, detail in entries:
        where = [detail[key] for key in ("service", "environment", "platform", "token")]
        assert where == ["shop", "production", "memory", over.token]
    for action, detail in entries[1:-1]:
        assert (detail["rollout"], detail["version"]) == (over.id, "v2"), action
    shift, verify, frozen = (entries[at][1] for at in (5, 6, 8))
    assert (shift["weight"], shift["outcome"], shift["why"]) == (20, "PASS", "20 % of requests to v2")
    assert (verify["outcome"], verify["why"]) == ("PASS", "0 of 5 requests failed")
    assert frozen["frozen"] == "0042"
    assert {one.actor for one in records.audit_entries().items} == {"ada"} and records.verify_chain().whole
    assert list(diary_page.folder().iterdir()) == []


async def test_a_bad_release_s_abort_and_a_rollback_are_entries() -> None:
    platform = MemoryPlatform()
    await rolled(platform, "v1")
    platform.world_state.behaviours["v2"].never_healthy = True
    assert (await rolled(platform, "v2")).status is Status.ABORTED
    actions = [action for action, _ in said()]
    assert actions[-4:] == ["rollout.wait_ready", "rollout.abort", "rollout.aborted", "lease.given_back"]
    assert dict(said()[-4:])["rollout.aborted"]["why"].startswith("wait_ready: ")
    await rolled(platform, "v3")
    async with held(platform, TARGET, "on-call") as lease:
        await roll_back(platform, lease, "b1", CANARY, to=None)
    found = dict(said()[-2:])["rollback"]
    assert (found["rollout"], found["version"], found["left"], found["outcome"]) == ("b1", "v1", "v3", "promoted")


async def test_a_rollback_that_is_refused_is_an_entry_with_the_migration_in_between() -> None:
    platform = MemoryPlatform()
    await rolled(platform, "v1")
    await rolled(platform, "v2", Migrations(command=("migrate",), irreversible="0042"))
    with pytest.raises(SpecError):
        async with held(platform, TARGET, "on-call") as lease:
            await roll_back(platform, lease, "b1", CANARY, to=None)
    assert "migration 0042 of v2" in dict(said()[-2:])["rollback.refused"]["why"]


async def test_without_a_database_the_rollout_goes_on_and_its_entries_are_written_once_afterwards(
    lost: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = MemoryPlatform()
    assert (await rolled(platform, "v1")).status is Status.PROMOTED
    (page,) = diary_page.folder().iterdir()
    deeds = diary_page.read(page)
    (sentence,) = diary_page.waiting()
    assert sentence.startswith(f"{len(deeds)} audit entries wait in ") and page.stat().st_mode & 0o77 == 0
    monkeypatch.delenv("TES_DATABASE_URL")
    copy = page.read_bytes()
    assert diary_page.caught_up() == len(deeds) and diary_page.waiting() == ()
    assert [action for action, _ in said()] == [deed.action for deed in deeds]
    page.write_bytes(copy)  # killed after the records took them, and before the file was gone
    assert diary_page.caught_up() == 0 and len(said()) == len(deeds)


async def test_the_next_rollout_brings_in_what_waited(lost: None, monkeypatch: pytest.MonkeyPatch) -> None:
    platform = MemoryPlatform()
    await rolled(platform, "v1")
    monkeypatch.delenv("TES_DATABASE_URL")
    await rolled(platform, "v2")
    promoted = {detail["version"] for action, detail in said() if action == "rollout.promoted"}
    assert promoted == {"v1", "v2"} and diary_page.waiting() == ()


async def test_a_disk_that_takes_nothing_costs_no_rollout(tes_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(diary_page.Page, "add", full)
    assert (await rolled(MemoryPlatform(), "v1")).status is Status.PROMOTED
    assert "rollout.promoted" in [action for action, _ in said()]


def test_what_a_killed_process_left_is_brought_in_and_what_a_living_one_writes_is_left_alone(tes_home: Path) -> None:
    code = (
        "import os, sys; from tasks.diary_page import Page; from records.write.audit import Deed; "
        "page = Page(sys.argv[1]); page.add(Deed(1.5, 'eve', 'rollout.shift', 'shop in production', {'weight': 20})); "
        "os.write(page._file, b'[2.5, \"eve'); "
        "print('written', flush=True); sys.argv[1] == 'alive' and sys.stdin.read(); os._exit(9)"
    )
    alive = subprocess.Popen(
        [sys.executable, "-c", code, "alive"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert alive.stdout is not None and alive.stdout.readline() == "written\n"
        subprocess.run([sys.executable, "-c", code, "killed"], check=False, capture_output=True)
        assert diary_page.caught_up() == 1
        assert [action for action, _ in said()] == ["rollout.shift"]
        assert [path.stem for path in diary_page.folder().iterdir()] == ["alive"] and diary_page.waiting() == ()
    finally:
        alive.kill()
        alive.communicate()


async def test_what_a_tool_printed_is_quoted_without_its_secret() -> None:
    class Chatty(MemoryPlatform):
        _block_type_slug = "memory-platform-chatty"

        async def run(self, lease: Lease, release: Release, job: Job) -> JobResult:
            return JobResult(exit_code=1, output="cannot log in to postgresql://shop:hunter2@db, password=hunter2")

    await rolled(Chatty(), "v1", Migrations(command=("migrate",)))
    whole = "".join(one.detail for one in records.audit_entries().items)
    assert "cannot log in to" in whole and "hunter2" not in whole


async def test_a_lease_that_is_lost_is_an_entry_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "TTL", 0.03)
    platform = MemoryPlatform()

    async def another(platform: HostsServices) -> None:
        async with held(platform, TARGET, "slow"):
            slow = (await platform.inspect(TARGET)).lease
            assert slow is not None
            await platform.give_back(slow)
            await platform.acquire(TARGET, "quick", 60)
            for _ in range(100):
                await asyncio.sleep(0.02)
                if "lease.lost" in [action for action, _ in said()]:
                    break
            await asyncio.sleep(0.05)

    await another(platform)
    (lost,) = [detail for action, detail in said() if action == "lease.lost"]
    assert lost["holder"] == "slow" and "quick is changing shop in production" in lost["why"]
