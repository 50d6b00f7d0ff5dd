"""Going back: from a rollout that was left half-way, forward again, and back once more."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from blocks.platforms import memory
from blocks.platforms.memory import MemoryPlatform
from domain import history
from domain.errors import SpecError
from domain.place import Release, Target
from domain.rollout import Action, Rollout, Status, plan
from domain.spec import EnvironmentSpec, Migrations, Verify
from domain.supply import Artifact
from domain.verdict import Outcome, Verdict
from tasks import rollout as machinery
from tasks.deploy import new_rollout, standing
from tasks.judgement import judged
from tasks.rollback import roll_back
from tasks.rollout import HISTORY, PAGE, carry_out

TARGET = Target(service="shop", environment="production")
PLACE = EnvironmentSpec(verify=Verify(bake=0))
_worlds = itertools.count()


@pytest.fixture(autouse=True)
def no_requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    async def fine(*_: object, public: bool) -> Verdict:
        return Verdict(gate="verify", outcome=Outcome.PASS, reasons=(f"public: {public}",))

    monkeypatch.setattr(machinery, "verify", fine)
    yield
    memory._WORLDS.clear()


async def kept(rollout: Rollout, action: Action, verdict: Verdict, began: float) -> None:
    """Takes no notes."""


class Shop:
    """The service in an environment of its own."""

    def __init__(self) -> None:
        self.platform = MemoryPlatform(world=f"rollback {next(_worlds)}")

    async def begun(self, version: str, irreversible: str | None = None) -> Rollout:
        artifact = Artifact(kind="bundle", digest=f"sha256:{version}", location="nowhere")
        state = await self.platform.inspect(TARGET)
        actions = plan(PLACE, first=state.stable is None, migrates=irreversible is not None)
        migrations = Migrations(command=("migrate",), irreversible=irreversible) if irreversible else None
        release = Release(service="shop", version=version, artifact=artifact, migrations=migrations)
        pages = history.read(await self.platform.recall(TARGET, HISTORY))
        return new_rollout(TARGET, release, state, PLACE.strategy, actions, pages)

    async def rolled(self, version: str, irreversible: str | None = None) -> Rollout:
        lease = await self.platform.acquire(TARGET, "ada", 60)
        return await carry_out(self.platform, lease, await self.begun(version, irreversible), PLACE, kept=kept)

    async def release(self, version: str, irreversible: str | None = None) -> None:
        assert (await self.rolled(version, irreversible)).status is Status.PROMOTED

    async def back(self, to: str | None = None) -> tuple[Outcome, Outcome | None, str | None]:
        """What deploy and verify say of a rollback, and what is stable then."""
        lease = await self.platform.acquire(TARGET, "ada", 60)
        over, said = await roll_back(self.platform, lease, "back", PLACE, to=to)
        deploy, verify, _ = judged(over, said, 1.0)
        stable = (await self.platform.inspect(TARGET)).stable
        return deploy.outcome, verify.outcome if verify else None, stable


async def test_taking_back_a_rollout_that_was_left_half_way_is_a_pass_with_a_look_at_what_serves() -> None:
    shop = Shop()
    await shop.release("v1.aaaaaa")
    lease = await shop.platform.acquire(TARGET, "ada", 60)
    half = await shop.begun("v2.bbbbbb")
    await shop.platform.provision(lease, half.release)
    await shop.platform.remember(lease, PAGE, half.model_copy(update={"cursor": 1}).model_dump_json())
    assert await shop.back() == (Outcome.PASS, Outcome.PASS, "v1.aaaaaa")


async def test_after_the_first_release_there_is_nothing_to_go_back_to() -> None:
    shop = Shop()
    await shop.release("v1.aaaaaa")
    with pytest.raises(SpecError, match="no earlier release"):
        await shop.back()


async def test_after_going_forward_again_the_way_back_is_still_open() -> None:
    shop = Shop()
    await shop.release("v1.aaaaaa")
    await shop.release("v2.bbbbbb")
    assert await shop.back() == (Outcome.PASS, Outcome.PASS, "v1.aaaaaa")
    assert await shop.back(to="v2") == (Outcome.PASS, Outcome.PASS, "v2.bbbbbb")
    assert await shop.back() == (Outcome.PASS, Outcome.PASS, "v1.aaaaaa")


async def test_a_release_that_is_not_healthy_does_not_get_the_traffic_back() -> None:
    """Warm or started anew: it is not switched to, and what serves goes on serving, unmarked."""
    for cold in (False, True):
        shop = Shop()
        await shop.release("v1.aaaaaa")
        await shop.release("v2.bbbbbb")
        if cold:
            await shop.platform.retire(await shop.platform.acquire(TARGET, "ada", 60), "v1.aaaaaa")
        shop.platform.world_state.behaviours["v1.aaaaaa"].never_healthy = True
        before = shop.platform.world_state.calls["promote"]
        assert await shop.back() == (Outcome.FAIL, None, "v2.bbbbbb")
        assert shop.platform.world_state.calls["promote"] == before
        state = await shop.platform.inspect(TARGET)
        assert {one.release.version: one.weight for one in state.releases}["v2.bbbbbb"] == 100
        pages = history.read(await shop.platform.recall(TARGET, HISTORY))
        assert not history.is_left(pages, "v2.bbbbbb")


async def test_the_reason_of_a_refused_switch_is_what_the_old_release_answered() -> None:
    shop = Shop()
    await shop.release("v1.aaaaaa")
    await shop.release("v2.bbbbbb")
    shop.platform.world_state.behaviours["v1.aaaaaa"].never_healthy = True
    over, _ = await roll_back(shop.platform, await shop.platform.acquire(TARGET, "ada", 60), "b", PLACE, to="v1")
    assert over.status is Status.ABORTED and "GET /healthz answered 500" in over.reason


async def test_a_rollback_across_a_migration_that_cannot_be_undone_is_refused_before_anything_moves() -> None:
    shop = Shop()
    await shop.release("v1.aaaaaa")
    await shop.release("v2.bbbbbb", "0042_drop_email")
    await shop.release("v3.cccccc", "0042_drop_email")
    assert await shop.back() == (Outcome.PASS, Outcome.PASS, "v2.bbbbbb")
    before = shop.platform.world_state.calls.copy()
    for to in (None, "v1"):
        with pytest.raises(SpecError, match="v1.aaaaaa cannot come back: migration 0042_drop_email of v2.bbbbbb") as no:
            await shop.back(to)
        assert no.value.exit_code == 3 and "go forward" in no.value.fix
    for verb in ("provision", "promote", "abort", "remember"):
        assert shop.platform.world_state.calls[verb] == before[verb]
    assert await shop.back(to="v3") == (Outcome.PASS, Outcome.PASS, "v3.cccccc")
    assert "0042_drop_email of v2.bbbbbb cannot be undone" in (await standing(shop.platform, TARGET))[1]


async def test_without_such_a_migration_nothing_is_said_to_be_frozen() -> None:
    shop = Shop()
    await shop.release("v1.aaaaaa")
    await shop.release("v2.bbbbbb")
    assert "frozen" not in (await standing(shop.platform, TARGET))[1]


async def test_a_bad_release_that_brought_such_a_migration_halts_and_keeps_the_traffic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def bad(*_: object, public: bool) -> Verdict:
        return Verdict(gate="verify", outcome=Outcome.FAIL if public else Outcome.PASS, reasons=("500",))

    for irreversible, status, stable in (
        (None, Status.ABORTED, "v1.aaaaaa"),
        ("0042_drop_email", Status.HALTED, "v2.bbbbbb"),
    ):
        shop = Shop()
        await shop.release("v1.aaaaaa")
        with monkeypatch.context() as patch:
            patch.setattr(machinery, "verify", bad)
            over = await shop.rolled("v2.bbbbbb", irreversible)
        state = await shop.platform.inspect(TARGET)
        assert (over.status, state.stable) == (status, stable)
        assert {one.release.version: one.weight for one in state.releases}[stable] == 100
        if irreversible:
            assert "500; not taken back to v1.aaaaaa: migration 0042_drop_email of v2.bbbbbb" in over.reason
            with pytest.raises(SpecError, match="frozen"):
                await shop.back()


async def test_a_rollout_that_was_killed_after_such_a_promotion_is_not_taken_back() -> None:
    shop = Shop()
    await shop.release("v1.aaaaaa")
    half = (await shop.begun("v2.bbbbbb", "0042_drop_email")).model_copy(update={"cursor": 4, "promoted": True})
    lease = await shop.platform.acquire(TARGET, "ada", 60)
    await shop.platform.provision(lease, half.release)
    await shop.platform.promote(lease, "v2.bbbbbb")
    await shop.platform.remember(lease, PAGE, half.model_dump_json())
    with pytest.raises(SpecError, match="v1.aaaaaa cannot come back: migration 0042_drop_email of v2.bbbbbb"):
        await shop.back()
    assert (await shop.platform.inspect(TARGET)).stable == "v2.bbbbbb"
