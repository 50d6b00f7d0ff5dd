"""`tes gc` removes what nobody needs, under the lease, and leaves alone what somebody works on or could want back."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import records
from blocks.platforms import memory
from blocks.platforms.memory import MemoryPlatform
from cli.main import main
from domain.errors import Rejected, Unavailable
from domain.place import Release, Target
from domain.rollout import Rollout
from domain.supply import Artifact
from domain.verdict import Outcome
from tasks.garbage import collect
from tasks.rollout import PAGE

TARGET = Target(service="shop", environment="production")


def release(version: str) -> Release:
    artifact = Artifact(kind="bundle", digest=f"sha256:{version}", location="nowhere")
    return Release(service="shop", version=version, artifact=artifact)


@pytest.fixture
async def platform(tes_home: Path) -> AsyncIterator[MemoryPlatform]:
    """v1 is kept warm, v2 stable, v3 a candidate that nobody wants any more."""
    there = MemoryPlatform()
    there.world_state.now = time.time()
    lease = await there.acquire(TARGET, "ada", 60)
    for version in ("v1", "v2"):
        await there.provision(lease, release(version))
        await there.promote(lease, version)
    await there.provision(lease, release("v3"))
    await there.give_back(lease)
    yield there
    memory._WORLDS.clear()


async def versions(platform: MemoryPlatform) -> set[str]:
    return {one.release.version for one in (await platform.inspect(TARGET)).releases}


async def test_what_nobody_needs_is_removed_and_in_the_audit_log(platform: MemoryPlatform) -> None:
    verdict, (piece,) = await collect(["memory"], "a test", plan=False)
    assert verdict.outcome is Outcome.PASS and (piece.version, piece.done) == ("v3", True)
    assert await versions(platform) == {"v1", "v2"} and (await platform.inspect(TARGET)).lease is None
    given_back, entry, taken = records.audit_entries().items
    assert (entry.action, entry.subject) == ("gc", str(TARGET))
    assert (taken.action, given_back.action) == ("lease.taken", "lease.given_back")
    assert (await collect(["memory"], "a test", plan=False))[1] == []


async def test_a_plan_tells_the_same_and_changes_nothing(platform: MemoryPlatform) -> None:
    platform.world_state.litter = ["network of nobody"]
    before = platform.world_state.calls.copy()
    verdict, pieces = await collect(["memory"], "a test", plan=True)
    assert verdict.outcome is Outcome.PASS
    assert [(piece.version or piece.where, piece.done) for piece in pieces] == [
        ("v3", False),
        ("network of nobody", False),
    ]
    for verb in ("acquire", "retire", "collect", "dispose", "abort", "remember"):
        assert platform.world_state.calls[verb] == before[verb]


async def test_what_a_platform_left_over_is_collected(platform: MemoryPlatform) -> None:
    platform.world_state.litter = ["network of nobody"]
    _, pieces = await collect(["memory"], "a test", plan=False)
    assert ("network of nobody", True) in [(piece.where, piece.done) for piece in pieces]
    assert not platform.world_state.litter


async def test_what_a_platform_says_to_have_collected_and_is_still_there_is_a_fail(
    platform: MemoryPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lies(self: MemoryPlatform) -> tuple[str, ...]:
        return tuple(self.world_state.litter)

    monkeypatch.setattr(MemoryPlatform, "collect", lies)
    platform.world_state.litter = ["network of nobody"]
    verdict, pieces = await collect(["memory"], "a test", plan=False)
    assert verdict.outcome is Outcome.FAIL and "network of nobody" in verdict.reasons[0]
    assert [piece.done for piece in pieces if piece.where == "network of nobody"] == [False]


async def test_a_target_that_somebody_changes_is_left_alone(platform: MemoryPlatform) -> None:
    await platform.acquire(TARGET, "bob", 60)
    verdict, pieces = await collect(["memory"], "a test", plan=False)
    assert verdict.outcome is Outcome.PASS and not pieces and "v3" in await versions(platform)


async def test_somebody_who_comes_between_the_look_and_the_lease_keeps_what_he_needs(
    platform: MemoryPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen as garbage, promoted a moment later: the look under the lease counts."""
    acquire = MemoryPlatform.acquire

    async def late(self: MemoryPlatform, target: Target, holder: str, ttl: float) -> object:
        if holder == "a test":
            lease = await acquire(self, target, "bob", 60)
            await self.promote(lease, "v3")
            await self.give_back(lease)
        return await acquire(self, target, holder, ttl)

    monkeypatch.setattr(MemoryPlatform, "acquire", late)
    _, pieces = await collect(["memory"], "a test", plan=False)
    assert not pieces and (await platform.inspect(TARGET)).stable == "v3"


async def test_a_rollout_that_was_left_half_way_is_left_alone(platform: MemoryPlatform) -> None:
    lease = await platform.acquire(TARGET, "ada", 60)
    left = Rollout(id="r", target=TARGET, release=release("v3"), stable="v2", strategy="any", plan=())
    await platform.remember(lease, PAGE, left.model_dump_json())
    await platform.give_back(lease)
    assert (await collect(["memory"], "a test", plan=False))[1] == [] and "v3" in await versions(platform)


async def test_where_the_notebook_cannot_be_read_nothing_is_removed(platform: MemoryPlatform) -> None:
    platform.world_state.place(TARGET).notebook[PAGE] = "{"
    verdict, pieces = await collect(["memory"], "a test", plan=False)
    assert verdict.outcome is Outcome.INCONCLUSIVE and not pieces and "v3" in await versions(platform)


async def test_a_preview_that_nobody_holds_goes_and_one_that_is_held_stays(platform: MemoryPlatform) -> None:
    for name, gives_back in (("preview-dead", True), ("preview-alive", False)):
        target = Target(service="shop", environment=name)
        lease = await platform.acquire(target, "ada", 60)
        await platform.provision(lease, release("v9"))
        if gives_back:
            await platform.give_back(lease)
    await collect(["memory"], "a test", plan=False)
    assert {target.environment for target in await platform.targets()} == {"production", "preview-alive"}


async def test_what_the_platform_refuses_to_remove_is_a_fail_with_its_reason(platform: MemoryPlatform) -> None:
    platform.fail("retire", Rejected("not now"))
    verdict, (piece,) = await collect(["memory"], "a test", plan=False)
    assert verdict.outcome is Outcome.FAIL and not piece.done and "not now" in verdict.reasons[0]


@pytest.mark.parametrize("plan", [True, False])
@pytest.mark.parametrize("verb", ["inspect", "recall", "garbage"])
async def test_a_platform_that_cannot_be_asked_is_inconclusive(platform: MemoryPlatform, verb: str, plan: bool) -> None:
    for nth in range(1, 9):
        platform.fail(verb, Unavailable("no answer"), nth=nth)
    verdict, _ = await collect(["memory"], "a test", plan=plan)
    assert verdict.outcome is Outcome.INCONCLUSIVE and "memory cannot be asked: no answer" in verdict.reasons[0]


def test_the_command_prints_the_plan_as_one_object(
    tmp_path: Path, tes_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tes.yaml").write_text("name: shop\nenvironments: {production: {platform: memory}}\n")
    assert main(["gc", str(tmp_path), "--plan", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {
        "outcome": "PASS",
        "reasons": ["0 to remove"],
        "plan": True,
        "platforms": ["memory"],
        "pieces": [],
    }
    assert main(["gc", str(tmp_path), "--plan"]) == 0
    assert capsys.readouterr().out.endswith("nothing was done\n")
