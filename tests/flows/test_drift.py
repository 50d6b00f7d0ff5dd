"""The hourly look: what has drifted is a FAIL, what could not be seen never a PASS, and converging brings it back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import records
from blocks.platforms import memory
from blocks.platforms.memory import MemoryPlatform
from domain.errors import PlatformError, Rejected, TesError, Unavailable
from domain.place import Release, Target
from domain.report import Stage
from domain.rollout import Action, Rollout, Status, plan
from domain.spec import EnvironmentSpec, Migrations, Verify
from domain.supply import Artifact
from domain.verdict import Outcome, Verdict
from tasks import rollout as machinery
from tasks.course import course
from tasks.deploy import new_rollout
from tasks.drift import converged, looked
from tasks.rollout import HISTORY, PAGE, carry_out

TARGET = Target(service="shop", environment="production")
PLACE = EnvironmentSpec(verify=Verify(bake=0))
SPEC = """
name: shop
release: {command: [serve], replicas: 2}
environments: {production: {platform: memory, approval: false, verify: {bake: 0s}}}
"""


@pytest.fixture(autouse=True)
async def platform(tes_home: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MemoryPlatform]:
    """v1, then v2 released to production; what `verify` would see over HTTP is left out."""

    async def fine(*_: object, public: bool) -> Verdict:
        return Verdict(gate="verify", outcome=Outcome.PASS, reasons=(f"public: {public}",))

    monkeypatch.setattr(machinery, "verify", fine)
    monkeypatch.setattr(machinery, "PAUSE", 0.0)
    there = MemoryPlatform()
    for version in ("v1", "v2"):
        await promoted(there, version)
    yield there
    memory._WORLDS.clear()


@pytest.fixture
def project(tmp_path: Path) -> str:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "tes.yaml").write_text(SPEC)
    return str(tmp_path / "shop")


def release(version: str) -> Release:
    artifact = Artifact(kind="bundle", digest=f"sha256:{version}", location="nowhere")
    return Release(service="shop", version=version, artifact=artifact, replicas=2)


async def kept(rollout: Rollout, action: Action, verdict: Verdict, began: float) -> None:
    """Takes no notes."""


async def begun(there: MemoryPlatform, version: str) -> Rollout:
    state = await there.inspect(TARGET)
    actions = plan(PLACE, first=state.stable is None, migrates=False)
    return new_rollout(TARGET, release(version), state, PLACE.strategy, actions)


async def promoted(there: MemoryPlatform, version: str) -> None:
    lease = await there.acquire(TARGET, "ada", 60)
    over = await carry_out(there, lease, await begun(there, version), PLACE, kept=kept)
    await there.give_back(lease)
    assert over.status is Status.PROMOTED
    records.record_rollout(over)


async def drift(project: str, *, converge: bool = False) -> Stage:
    """What the flow's stage said, as the flow composes it, without a Prefect server."""
    async with course("drift", ["drift"], project, environment="production") as run:
        look = await looked.fn(run.run)
        if converge:
            look = await converged.fn(run.run, look)
        run.heard([look.stage])
        state = await run.end()
    assert state.is_completed() == look.stage.verdict.passed
    stage: Stage = look.stage
    return stage


async def test_what_was_released_and_runs_is_a_pass_and_the_look_is_in_the_audit_log(project: str) -> None:
    stage = await drift(project)
    assert stage.verdict.outcome is Outcome.PASS, stage.verdict.reasons
    assert stage.verdict.reasons == ("2 copies of v2 run as released",)
    (entry,) = [one for one in records.audit_entries().items if one.action.startswith("drift")]
    assert entry.action == "drift.PASS" and entry.subject == str(TARGET)


async def test_a_look_changes_nothing(project: str, platform: MemoryPlatform) -> None:
    platform.world_state.place(TARGET).hosted["v2"].lost = 1
    verbs = ("acquire", "provision", "promote", "abort", "retire", "shift", "remember")
    before = [platform.world_state.calls[verb] for verb in verbs]
    assert (await drift(project)).verdict.outcome is Outcome.FAIL
    assert [platform.world_state.calls[verb] for verb in verbs] == before


@pytest.mark.parametrize("verb", ["inspect", "recall"])
@pytest.mark.parametrize("error", [Unavailable("no answer"), Rejected("no"), PlatformError("it broke")])
@pytest.mark.parametrize("converge", [False, True])
async def test_a_platform_that_cannot_be_asked_is_inconclusive_and_nothing_is_done(
    project: str, platform: MemoryPlatform, verb: str, error: TesError, converge: bool
) -> None:
    platform.world_state.place(TARGET).hosted["v2"].lost = 1
    for nth in range(1, 20):
        platform.fail(verb, error, nth=nth)
    before = platform.world_state.calls["provision"]
    stage = await drift(project, converge=converge)
    assert stage.verdict.outcome is Outcome.INCONCLUSIVE
    assert "production cannot be asked" in stage.verdict.reasons[0]
    assert platform.world_state.calls["provision"] == before


async def test_a_notebook_that_cannot_be_read_is_inconclusive(project: str, platform: MemoryPlatform) -> None:
    for page in (HISTORY, PAGE):
        whole = platform.world_state.place(TARGET).notebook[page]
        platform.world_state.place(TARGET).notebook[page] = whole[: len(whole) // 2]
        assert (await drift(project)).verdict.outcome is Outcome.INCONCLUSIVE
        platform.world_state.place(TARGET).notebook[page] = whole


async def test_an_environment_that_is_being_changed_is_not_judged(project: str, platform: MemoryPlatform) -> None:
    await platform.acquire(TARGET, "bob", 60)
    stage = await drift(project)
    assert stage.verdict.outcome is Outcome.INCONCLUSIVE and "bob is changing" in stage.verdict.reasons[0]


async def test_an_environment_that_is_gone_altogether_is_a_fail(project: str, platform: MemoryPlatform) -> None:
    """Its notebook went with it; the records still know what was promoted."""
    platform.forget()
    stage = await drift(project)
    assert stage.verdict.outcome is Outcome.FAIL and "v2 was promoted" in stage.verdict.reasons[0]


async def test_converging_brings_back_lost_copies(project: str, platform: MemoryPlatform) -> None:
    platform.world_state.place(TARGET).hosted["v2"].lost = 2
    stage = await drift(project, converge=True)
    assert stage.verdict.outcome is Outcome.PASS, stage.verdict.reasons
    assert "before: v2 has 0 of 2 copies" in stage.verdict.reasons
    assert any("v2 provisioned and promoted again: promoted" in one for one in stage.verdict.reasons)
    assert (await platform.inspect(TARGET)).lease is None


async def test_converging_takes_the_traffic_from_what_nobody_released(project: str, platform: MemoryPlatform) -> None:
    lease = await platform.acquire(TARGET, "mallory", 60)
    await platform.provision(lease, release("mine"))
    await platform.promote(lease, "mine")
    await platform.give_back(lease)
    assert (await drift(project)).verdict.outcome is Outcome.FAIL
    stage = await drift(project, converge=True)
    assert stage.verdict.outcome is Outcome.PASS, stage.verdict.reasons
    state = await platform.inspect(TARGET)
    assert {one.release.version: one.weight for one in state.releases} == {"v1": 0, "v2": 100}


async def test_converging_takes_back_a_rollout_that_was_left_half_way(project: str, platform: MemoryPlatform) -> None:
    lease = await platform.acquire(TARGET, "ada", 60)
    await platform.provision(lease, release("v3"))
    await platform.shift(lease, "v3", 20)
    left = (await begun(platform, "v3")).model_copy(update={"cursor": 2})
    await platform.remember(lease, PAGE, left.model_dump_json())
    await platform.give_back(lease)
    assert any("was left at" in reason for reason in (await drift(project)).verdict.reasons)
    stage = await drift(project, converge=True)
    assert stage.verdict.outcome is Outcome.PASS, stage.verdict.reasons
    state = await platform.inspect(TARGET)
    assert state.stable == "v2" and state.of("v3") is None


async def test_what_does_not_become_healthy_stays_a_fail_and_nothing_is_taken_away(
    project: str, platform: MemoryPlatform
) -> None:
    platform.world_state.behaviours["v2"].never_healthy = True
    stage = await drift(project, converge=True)
    assert stage.verdict.outcome is Outcome.FAIL
    state = await platform.inspect(TARGET)
    assert state.stable == "v2" and state.of("v1") is not None


async def test_converging_waits_for_nobody_who_is_changing_the_environment(
    project: str, platform: MemoryPlatform
) -> None:
    await platform.acquire(TARGET, "bob", 60)
    before = platform.world_state.calls["promote"]
    assert (await drift(project, converge=True)).verdict.outcome is Outcome.INCONCLUSIVE
    assert platform.world_state.calls["promote"] == before


async def test_nothing_that_was_never_promoted_is_converged_to(project: str, platform: MemoryPlatform) -> None:
    platform.world_state.place(TARGET).notebook.pop(HISTORY)
    stage = await drift(project, converge=True)
    assert stage.verdict.outcome is Outcome.FAIL
    assert any("nothing to converge to" in reason for reason in stage.verdict.reasons)
    assert (await platform.inspect(TARGET)).stable == "v2"


async def test_nobody_converges_back_across_a_migration_that_cannot_be_undone(
    project: str, platform: MemoryPlatform
) -> None:
    """Promoted, and the note of it was lost: the data knows."""
    lease = await platform.acquire(TARGET, "ada", 60)
    migrations = Migrations(command=("migrate",), irreversible="0042_drop_email")
    await platform.provision(lease, release("v3").model_copy(update={"migrations": migrations}))
    await platform.promote(lease, "v3")
    await platform.give_back(lease)
    stage = await drift(project, converge=True)
    assert stage.verdict.outcome is Outcome.FAIL
    assert any("v2 cannot come back: migration 0042_drop_email of v3" in reason for reason in stage.verdict.reasons)
    assert (await platform.inspect(TARGET)).stable == "v3"
