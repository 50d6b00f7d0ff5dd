"""Going back: from a rollout that was left half-way, forward again, and back once more."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from blocks.platforms import memory
from blocks.platforms.memory import MemoryPlatform
from domain.errors import SpecError
from domain.place import Release, Target
from domain.rollout import Action, Rollout, Status, plan
from domain.spec import EnvironmentSpec, Verify
from domain.supply import Artifact
from domain.verdict import Outcome, Verdict
from tasks import rollout as machinery
from tasks.deploy import judged, new_rollout
from tasks.rollback import roll_back
from tasks.rollout import PAGE, carry_out

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

    async def begun(self, version: str) -> Rollout:
        artifact = Artifact(kind="bundle", digest=f"sha256:{version}", location="nowhere")
        state = await self.platform.inspect(TARGET)
        actions = plan(PLACE, first=state.stable is None, migrates=False)
        release = Release(service="shop", version=version, artifact=artifact)
        return new_rollout(TARGET, release, state, PLACE.strategy, actions)

    async def release(self, version: str) -> None:
        lease = await self.platform.acquire(TARGET, "ada", 60)
        over = await carry_out(self.platform, lease, await self.begun(version), PLACE, kept=kept)
        assert over.status is Status.PROMOTED

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
