"""Several services as one release: whatever fails, and whenever it is killed, all are new or all are old."""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from blocks.platforms import memory
from blocks.platforms.memory import MemoryPlatform
from blocks.platforms.memory_world import World
from domain import history
from domain.errors import LockHeld, PlatformError, Rejected, SpecError, TesError, Unavailable
from domain.group import Group, Member, in_order
from domain.place import Release, Target
from domain.rollout import Action, Rollout, Status, plan
from domain.spec import EnvironmentSpec, Migrations, Step, Verify
from domain.supply import Artifact
from domain.together import torn
from domain.verdict import Verdict
from tasks import rollout as machinery
from tasks.deploy import new_rollout, stand_of
from tasks.left_behind import end_group, groups_at, held_together
from tasks.lease import TTL
from tasks.rollback import roll_back_together
from tasks.rollout import HISTORY, Hold, carry_out_together, page_of
from tasks.verify import verify
from tests.flows.asked_of_memory import quick  # noqa: F401 - a fixture

CANARY = EnvironmentSpec(
    platform="memory",
    strategy="canary",
    steps=(Step(weight=20, bake=0), Step(weight=60, bake=0)),
    verify=Verify(bake=0),
)
AT_ONCE = EnvironmentSpec(platform="memory", verify=Verify(bake=0))
PLACES = {"cart": AT_ONCE, "shop": CANARY}
VERBS = ("provision", "wait_ready", "shift", "promote", "abort", "remember", "recall", "inspect", "traffic")
ERRORS = (Unavailable("no answer"), Rejected("no"))
GOOD, WRONG = "good", "cart errs after promotion"


def target(service: str) -> Target:
    return Target(service=service, environment="production")


def member(service: str) -> Member:
    return Member(target=target(service), platform="memory")


def world() -> World:
    return MemoryPlatform().world_state


async def kept(rollout: Rollout, action: Action, verdict: Verdict, began: float) -> None:
    """Takes no notes."""


async def begun(hold: Hold, version: str, group: Group | None, irreversible: str | None) -> Rollout:
    service = hold.lease.target.service
    name = f"{service}-{version}"
    migrations = Migrations(command=("migrate",), irreversible=irreversible) if irreversible else None
    artifact = Artifact(kind="bundle", digest=f"sha256:{name}", location="nowhere")
    release = Release(service=service, version=name, artifact=artifact, replicas=2, migrations=migrations)
    state = await hold.platform.inspect(hold.lease.target)
    actions = plan(hold.place, first=state.stable is None, migrates=irreversible is not None)
    pages = history.read(await hold.platform.recall(hold.lease.target, HISTORY))
    found = new_rollout(hold.lease.target, release, state, hold.place.strategy, actions, pages)
    return found.model_copy(update={"group": group})


async def release_all(
    version: str, services: Sequence[str] = ("cart", "shop"), *, holder: str = "ada", frozen: str = ""
) -> list[Rollout]:
    """As tasks/deploy.py: what was left is ended first. `frozen` brings a migration that cannot be undone."""
    members = {member(service): PLACES[service] for service in services}
    group = Group(id=f"group of {version}", members=in_order(members)) if len(services) > 1 else None
    async with held_together(members, lambda _: holder) as holds:
        for left in await groups_at(holds):
            await end_group(holds, left, kept=kept)
        mine = [holds[target(service)] for service in services]
        rollouts = [
            await begun(hold, version, group, "0042_drop" if hold.lease.target.service == frozen else None)
            for hold in mine
        ]
        return list(await carry_out_together(mine, rollouts, kept=kept))


async def back(*services: str, holder: str = "on call") -> dict[str, Status]:
    members = {member(service): PLACES[service] for service in services}
    async with held_together(members, lambda _: holder, halted=True) as holds:
        ended = await roll_back_together(holds, [target(one) for one in services], "back", kept=kept)
    return {at.service: over.status for at, (over, _) in ended.items()}


def traffic() -> dict[str, dict[str, int]]:
    """Service → the shares as they are."""
    return {
        at.service: {version: one.weight for version, one in place.hosted.items() if one.weight}
        for at, place in world().places.items()
    }


def all_at(version: str) -> dict[str, dict[str, int]]:
    return {service: {f"{service}-{version}": 100} for service in PLACES}


async def start(behaviour: str = GOOD) -> None:
    """v1 of both is stable; v2 of cart behaves so."""
    assert {one.status for one in await release_all("v1")} == {Status.PROMOTED}
    assert traffic() == all_at("v1")
    world().behaviours["cart-v2"].errors_after_promotion = float(behaviour == WRONG)


@pytest.mark.parametrize("behaviour", [GOOD, WRONG])
@pytest.mark.parametrize("verb", VERBS)
async def test_no_single_failure_leaves_new_beside_old(behaviour: str, verb: str) -> None:
    """Every verb, at each of its calls, failing once in each way, before or after its work was done."""
    for error, done, nth in itertools.product(ERRORS, (False, True), range(1, 12)):
        memory._WORLDS.clear()
        await start(behaviour)
        MemoryPlatform().fail(verb, error, nth=nth, done=done)
        told: object = None
        try:
            told = {one.status for one in await release_all("v2")}
        except TesError as raised:
            told = raised
        case = f"{type(error).__name__} at call {nth}{' after its work' if done else ''}: {told}: {traffic()}"
        assert traffic() in (all_at("v1"), all_at("v2")), case
        if told == {Status.PROMOTED}:
            assert traffic() == all_at("v2") and behaviour == GOOD, case
        if world().failures:
            break  # there is no such call, and no later one
        world().now += TTL + 1
        await release_all("v3", holder="another")
        assert traffic() == all_at("v3"), case


@pytest.mark.parametrize("behaviour", [GOOD, WRONG])
async def test_killed_anywhere_whoever_comes_next_brings_both_to_one_end(
    behaviour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same release again, another of one of them, or a rollback of one of them."""
    await start(behaviour)
    left: list[World] = []
    called = MemoryPlatform._called

    async def watched(self: MemoryPlatform, verb: str) -> TesError | None:
        if verb not in ("inspect", "recall", "traffic", "wait_ready", "acquire"):
            left.append(copy.deepcopy(self.world_state))
        return await called(self, verb)

    with monkeypatch.context() as patch:
        patch.setattr(MemoryPlatform, "_called", watched)
        await release_all("v2")
    expected = traffic()
    assert expected == all_at("v2" if behaviour == GOOD else "v1") and len(left) > 20
    for found in left:

        def killed(found: World = found) -> None:
            """There again, as it was left, and the leases have ended."""
            memory._WORLDS["default"] = copy.deepcopy(found)
            world().now += TTL + 1

        killed()
        await release_all("v2", holder="again")
        assert traffic() == expected
        killed()
        await release_all("v3", ["shop"], holder="another")
        await settle_by_one()  # where shop's page was over or not begun, it did not tell of cart
        cart = traffic()["cart"]
        assert traffic()["shop"] == {"shop-v3": 100} and cart in ({"cart-v1": 100}, {"cart-v2": 100})
        pages = [await page_of(MemoryPlatform(), target(service)) for service in PLACES]
        assert all(page is not None and page.status.over for page in pages)
        killed()
        await settle_by_one()
        assert traffic() in (all_at("v1"), all_at("v2"))
        killed()
        try:
            await back("shop")
        except SpecError:
            assert traffic() == all_at("v1")  # v2 had begun nowhere, or was taken back already
        else:
            assert traffic()["shop"] == {"shop-v1": 100}


async def settle_by_one() -> None:
    """Somebody who holds one of them alone finds the other one, and ends both."""
    async with held_together({member("cart"): AT_ONCE}, lambda _: "one") as holds:
        for left in await groups_at(holds):
            await end_group(holds, left, kept=kept)


async def test_a_lease_that_is_lost_in_the_middle_takes_all_back_before_any_traffic_moves() -> None:
    await start()
    called = MemoryPlatform._called

    async def overtaken(self: MemoryPlatform, verb: str) -> TesError | None:
        if verb == "wait_ready" and self.world_state.places[target("shop")].token < 90:
            self.world_state.places[target("shop")].token = 90
        return await called(self, verb)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryPlatform, "_called", overtaken)
        with pytest.raises(PlatformError, match="is older than 90"):
            await release_all("v2")
    assert traffic() == all_at("v1")
    assert "cart-v2" not in world().places[target("cart")].hosted


async def test_a_lease_that_is_lost_while_others_bake_is_seen_before_the_next_step() -> None:
    """What is written down would not tell: the service whose lease it is has nothing to do in that step."""
    await start()
    promotes, shifts = world().calls["promote"], world().calls["shift"]

    async def looked(*words: Any, **more: Any) -> Verdict:
        world().places[target("cart")].token = 90
        return await verify(*words, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machinery, "verify", looked)
        ends = {one.target.service: one for one in await release_all("v2")}
    assert ends["shop"].status is Status.ABORTED and "lost" in ends["shop"].reason
    assert ends["cart"].status is Status.HALTED  # whoever has the lease has the say
    assert world().calls["promote"] == promotes and world().calls["shift"] == shifts + 1
    assert traffic()["shop"] == {"shop-v1": 100}


async def test_two_groups_of_the_same_services_do_not_wait_for_each_other_in_a_circle() -> None:
    await start()
    one, other = release_all("v2", ["cart", "shop"], holder="one"), release_all("v3", ["shop", "cart"], holder="other")
    ends = await asyncio.wait_for(asyncio.gather(one, other), TTL)
    assert all(rollout.status is Status.PROMOTED for rollouts in ends for rollout in rollouts)
    assert traffic() in (all_at("v2"), all_at("v3"))
    assert all(place.lease is None for place in world().places.values())


async def test_what_cannot_be_held_is_not_begun_and_what_was_held_is_given_back() -> None:
    await start()
    await MemoryPlatform().acquire(target("shop"), "somebody else", 600)
    held_for = held_together({member("shop"): CANARY, member("cart"): AT_ONCE}, lambda _: "ada")
    task = asyncio.ensure_future(held_for.__aenter__())
    await asyncio.sleep(0.05)
    assert world().places[target("cart")].lease is not None
    task.cancel()
    with pytest.raises((asyncio.CancelledError, LockHeld)):
        await task
    assert world().places[target("cart")].lease is None


async def test_a_rollback_takes_all_back_or_none() -> None:
    await start()
    await release_all("v2")
    assert await back("shop", "cart") == {"shop": Status.PROMOTED, "cart": Status.PROMOTED}
    assert traffic() == all_at("v1")
    before = world().calls.copy()
    await release_all("v3", ["cart"])
    with pytest.raises(SpecError, match="shop in production: no earlier release.*none of cart, shop was touched"):
        await back("cart", "shop")
    assert traffic()["cart"] == {"cart-v3": 100} and world().calls["promote"] == before["promote"] + 1


async def test_a_rollback_of_a_group_is_refused_for_all_across_a_migration_of_one() -> None:
    await start()
    await release_all("v2", frozen="shop")
    with pytest.raises(SpecError, match="shop in production is frozen.*none of cart, shop was touched"):
        await back("cart", "shop")
    assert traffic() == all_at("v2")


async def test_a_bad_verdict_on_one_leaves_both_at_the_new_release_when_the_other_cannot_go_back() -> None:
    await start(WRONG)
    ends = await release_all("v2", frozen="shop")
    assert [one.status for one in ends] == [Status.HALTED, Status.HALTED]
    assert traffic() == all_at("v2")
    with pytest.raises(SpecError, match="none of cart, shop was touched"):
        await back("cart", "shop")


async def torn_release() -> str:
    """A release that left shop at the new and cart at the old release: shop's platform refused the way back."""
    await start(WRONG)
    called = MemoryPlatform._called
    aborted: list[int] = []

    async def refusing(self: MemoryPlatform, verb: str) -> TesError | None:
        if verb == "abort":
            # The members' verbs come one after the other here: cart's is done, shop's and its repetitions are not.
            aborted.append(1)
            if len(aborted) > 1:
                raise Rejected("the balancer says no")
        return await called(self, verb)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryPlatform, "_called", refusing)
        ends = await release_all("v2")
    assert {one.target.service: one.status for one in ends} == {"cart": Status.ABORTED, "shop": Status.HALTED}
    assert "the balancer says no" in ends[1].reason
    holds = {}
    for one in ends:
        lease = await MemoryPlatform().acquire(one.target, "a reader", TTL)
        holds[one.target] = Hold(MemoryPlatform(), lease, AT_ONCE)
        await MemoryPlatform().give_back(lease)
    return torn([await stand_of(holds[one.target], one) for one in ends])


async def test_a_way_back_that_a_platform_refused_is_told_and_one_command_mends_it() -> None:
    assert await torn_release() == "cart is at cart-v1 (old); shop is at shop-v2 (new)"
    assert await back("cart", "shop") == {"cart": Status.ABORTED, "shop": Status.ABORTED}
    assert traffic() == all_at("v1")


async def test_what_is_torn_is_mended_from_the_service_that_halted_alone() -> None:
    await torn_release()
    assert set(await back("shop")) == {"cart", "shop"}
    assert traffic() == all_at("v1")


async def test_what_is_torn_is_not_mended_onto_a_release_that_is_not_healthy() -> None:
    await torn_release()
    world().behaviours["shop-v1"].never_healthy = True
    before = traffic()
    with pytest.raises(PlatformError, match="shop-v1 does not get the traffic back before it is healthy"):
        await back("cart", "shop")
    assert traffic() == before
