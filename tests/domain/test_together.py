"""The machine of a group: all promoted or all back, whatever the verdicts and wherever it is killed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import SpecError
from domain.group import Group, Member, distinct, in_order, way_back
from domain.place import Release, ReleaseState, ServiceState, Target
from domain.rollout import Action, Rollout, Status, Verb, abort, advance, plan
from domain.spec import EnvironmentSpec, Step
from domain.supply import Artifact
from domain.together import (
    Rollouts,
    agreed,
    arrived,
    back,
    due,
    mended,
    one_last,
    rank,
    settled,
    stand,
    torn,
)
from domain.verdict import Outcome, Verdict

PASS = Verdict(gate="g", outcome=Outcome.PASS)
FAIL = Verdict(gate="g", outcome=Outcome.FAIL, reasons=("broken",))
SERVICES = ("cart", "payment", "shop", "stock")
OLD, NEW = "old", "new"


def target(service: str) -> Target:
    return Target(service=service, environment="production")


def group(count: int) -> Group:
    members = tuple(Member(target=target(name), platform="memory") for name in SERVICES[:count])
    return Group(id="g", members=members)


def member(service: str, actions: tuple[Action, ...], stable: str | None, frozen: str = "", count: int = 4) -> Rollout:
    artifact = Artifact(kind="bundle", digest="sha256:" + "0" * 64, location="bundle.tar")
    return Rollout(
        id=service,
        target=target(service),
        release=Release(service=service, version=NEW, artifact=artifact),
        stable=stable,
        strategy="any",
        plan=actions,
        frozen=frozen,
        group=group(count),
    )


def actions_of(weights: list[int], first: bool, migrates: bool) -> tuple[Action, ...]:
    steps = tuple(Step(weight=weight, bake=1.0) for weight in weights)
    place = EnvironmentSpec(strategy="canary", steps=steps) if steps else EnvironmentSpec()
    return plan(place, first=first, migrates=migrates)


@st.composite
def groups(draw: st.DrawFn) -> Rollouts:
    """Services of every strategy beside each other, some released for the first time; one at most cannot go back."""
    count = draw(st.integers(1, 4))
    last = draw(st.none() | st.integers(0, count - 1))
    found = []
    for at in range(count):
        stable = draw(st.sampled_from([OLD, OLD, None]))
        weights = draw(st.sets(st.integers(1, 99), max_size=3).map(sorted))
        actions = actions_of(weights, stable is None, draw(st.booleans()))
        frozen = "0042_drop_email" if at == last and stable else ""
        found.append(member(SERVICES[at], actions, stable, frozen, count))
    return tuple(found)


class World:
    """What the platforms do, and where the services stand because of it. Most verbs work; the odd ones are drawn."""

    def __init__(self, rollouts: Rollouts, data: st.DataObject, odd: bool = True) -> None:
        self.rollouts, self.data = rollouts, data
        # One or two of them, or no story would get far; those after a promotion are as likely as those before.
        length = sum(len(one.plan) for one in rollouts)
        places = st.sets(st.integers(0, length) | st.integers(max(0, length - 3 * len(rollouts)), length), max_size=2)
        self.odd: set[int] = data.draw(places) if odd else set()
        self.at = {one.target.service: OLD for one in rollouts}
        self.done: list[tuple[str, Action, bool]] = []
        self.refused: set[str] = set()

    def act(self, rollout: Rollout) -> Rollout:
        """The rollout after its action, as tasks/rollout.py moves it."""
        action, service = rollout.action, rollout.target.service
        assert action is not None
        fine = len(self.done) not in self.odd
        self.done.append((service, action, fine))
        if action.verb is Verb.PROMOTE and (fine or self.data.draw(st.booleans())):
            self.at[service] = NEW  # done, though the answer may have been lost
        if action.verb is Verb.ABORT:
            self.refused -= {service}
            self.at[service] = OLD if fine else self.at[service]
        if not fine and action.verb is Verb.ABORT:
            self.refused.add(service)
        if not fine and action.verb is Verb.PROMOTE and self.data.draw(st.booleans()):
            return abort(rollout, "promote: no answer")  # stable is seen to be whole
        after = advance(rollout, PASS if fine else FAIL)
        if not fine and after.status is Status.HALTED and action.verb is Verb.PROMOTE:
            self.refused.add(service)
        return after

    def turn(self) -> bool:
        """One turn of the group; False when there is none."""
        turn = due(self.rollouts)
        moved = {at: self.act(self.rollouts[at]) for at in turn}
        self.rollouts = agreed([moved.get(at, one) for at, one in enumerate(self.rollouts)])
        return bool(turn)

    def run(self) -> Rollouts:
        for _ in range(60):
            if not self.turn():
                return self.rollouts
        raise AssertionError("it does not end")


@given(groups(), st.data())
def test_every_story_ends_with_all_promoted_or_none(rollouts: Rollouts, data: st.DataObject) -> None:
    """Unless a platform refused the way back: then that service has halted, and says so."""
    world = World(rollouts, data)
    ends = {one.target.service: one for one in world.run()}
    assert all(one.status.over for one in ends.values())
    promoted = [one.status is Status.PROMOTED for one in ends.values()]
    assert all(promoted) or not any(promoted)
    if all(promoted):
        assert set(world.at.values()) == {NEW} and all(fine for _, _, fine in world.done)
    if len(set(world.at.values())) > 1:
        assert world.refused, world.done
    for service in world.refused:
        assert ends[service].status is Status.HALTED and ends[service].reason


@given(groups(), st.data())
def test_a_failure_of_one_is_the_reason_of_all(rollouts: Rollouts, data: st.DataObject) -> None:
    world = World(rollouts, data)
    ends = world.run()
    bad = [service for service, action, fine in world.done if not fine and action.verb is not Verb.ABORT]
    if bad:
        assert all(one.status in (Status.ABORTED, Status.HALTED) for one in ends)
        assert all(one.reason for one in ends)
        own = next(one for one in ends if one.target.service == bad[0])
        assert "broken" in own.reason or "no answer" in own.reason


@given(groups(), st.data())
def test_nothing_moves_on_before_all_have_come_as_far(rollouts: Rollouts, data: st.DataObject) -> None:
    """No traffic before all are ready, no canary step before all have taken the one before, no promotion before all
    are proven; and the one that cannot go back is promoted when all others are."""
    world = World(rollouts, data)
    while turn := due(world.rollouts):
        moving = {world.rollouts[at].target.service: rank(world.rollouts[at]) for at in turn}
        assert len(set(moving.values())) == 1
        behind = [one for at, one in enumerate(world.rollouts) if at not in turn and one.action is not None]
        if all(one.status is Status.PROGRESSING for one in world.rollouts):
            assert all((rank(one) or (9, 9)) > next(iter(moving.values())) for one in behind)  # type: ignore[operator]
        verbs = {world.rollouts[at].action.verb for at in turn}  # type: ignore[union-attr]
        if verbs & {Verb.SHIFT, Verb.PROMOTE}:
            for one in world.rollouts:
                assert Verb.WAIT_READY in [action.verb for action in one.plan[: one.cursor]]
        if Verb.PROMOTE in verbs:
            for one in world.rollouts:
                rest = [action.verb for action in one.plan[one.cursor :]]
                assert Verb.SHIFT not in rest and rest.count(Verb.VERIFY) <= 1
            if any(world.rollouts[at].frozen for at in turn):
                assert len(turn) == 1
                assert all(one.promoted for at, one in enumerate(world.rollouts) if at not in turn)
        if Verb.SHIFT in verbs:
            taken = [one.cursor for one in world.rollouts]
            shifts = [
                sum(action.verb is Verb.SHIFT for action in one.plan[:cursor])
                for one, cursor in zip(world.rollouts, taken, strict=True)
            ]
            step = {shifts[at] for at in turn}
            assert len(step) == 1
            for one, done in zip(world.rollouts, shifts, strict=True):
                total = sum(action.verb is Verb.SHIFT for action in one.plan)
                assert done >= min(total, step.copy().pop())
        world.turn()


@given(groups(), st.data())
def test_what_cannot_go_back_keeps_all_that_is_promoted_with_it(rollouts: Rollouts, data: st.DataObject) -> None:
    world = World(rollouts, data)
    ends = world.run()
    stuck = [one for one in ends if one.frozen and one.promoted]
    if stuck and stuck[0].status is not Status.PROMOTED:
        assert all(one.status is Status.HALTED for one in ends)
        assert all("cannot be" in one.reason for one in ends)
        assert set(world.at.values()) == {NEW}


@given(groups(), st.data())
def test_a_group_of_one_is_the_single_machine(rollouts: Rollouts, data: st.DataObject) -> None:
    alone = rollouts[0].model_copy(update={"group": None})
    for _ in range(40):
        if alone.action is None:
            break
        assert due([alone]) == (0,)
        after = advance(alone, FAIL if data.draw(st.integers(0, 9)) == 0 else PASS)
        assert agreed([after]) == (after,)
        assert back([after], "why") == (abort(after, "why"),)
        alone = after
    assert alone.status.over


@given(groups(), st.data())
def test_killed_anywhere_whoever_comes_next_brings_all_to_one_end(rollouts: Rollouts, data: st.DataObject) -> None:
    """What counts is written down, service by service; the kill comes between any two of the writings, and after any
    part of the deeds."""
    whole = World(rollouts, data, odd=False)
    turns = next(number for number in range(60) if not whole.turn())
    world = World(rollouts, data, odd=data.draw(st.booleans()))
    for _ in range(data.draw(st.integers(0, turns - 1) | st.integers(turns - 3, turns - 1))):
        world.turn()
    before = world.rollouts
    turn = [at for at in due(before) if data.draw(st.booleans())]  # the others had not begun
    moved = {at: world.act(before[at]) for at in turn}
    heard = [moved.get(at, one) for at, one in enumerate(before)]
    if data.draw(st.booleans()) and len(turn) == len(due(before)):
        decided = agreed(heard)
        pages = [decided[at] if data.draw(st.booleans()) else heard[at] for at in range(len(before))]
    else:
        pages = [heard[at] if at in turn and data.draw(st.booleans()) else before[at] for at in range(len(before))]
    found = [Rollout.model_validate_json(page.model_dump_json()) for page in pages]
    if not any(not page.status.over for page in found):
        return  # nobody finds anything to end
    refused = set(world.refused)
    seen_now = _as_seen(found, world.at)
    again = World(settled(seen_now, "left behind"), data, odd=False)
    again.at = world.at
    ends = again.run()
    assert all(one.status.over for one in ends)
    if not refused and not any(one.status is Status.HALTED for one in ends):
        assert len(set(again.at.values())) == 1, (found, again.at)
        assert (ends[0].status is Status.PROMOTED) == (again.at[ends[0].target.service] == NEW)
    had_all = all(one.promoted and one.status in (Status.PROGRESSING, Status.PROMOTED) for one in seen_now)
    assert all(one.status is Status.PROMOTED for one in ends) == had_all


def _as_seen(found: list[Rollout], at: dict[str, str]) -> list[Rollout]:
    """As tasks/left_behind.py: what runs is the truth about a promotion that was not written down any more."""
    return [
        advance(one, PASS) if one.action and one.action.verb is Verb.PROMOTE and at[one.target.service] == NEW else one
        for one in found
    ]


@given(groups(), st.data())
def test_what_halted_is_taken_back_once_the_platform_lets_it(rollouts: Rollouts, data: st.DataObject) -> None:
    world = World(rollouts, data)
    ends = world.run()
    if not any(one.status is Status.HALTED for one in ends):
        return
    again = World(mended(ends, "asked for"), data, odd=False)
    again.at = world.at
    after = again.run()
    if any(one.frozen and one.promoted for one in ends):
        assert after == ends
    else:
        assert set(again.at.values()) == {OLD}
        assert all(one.status is Status.ABORTED for one in after)


def test_a_bad_verdict_on_one_leaves_all_where_they_are_when_another_cannot_go_back() -> None:
    actions = actions_of([], False, False)
    end = {"cursor": 3, "promoted": True}
    cart = member("cart", actions, OLD).model_copy(update=end)
    shop = member("shop", actions, OLD, "0042_drop_email").model_copy(update=end)
    ends = agreed([advance(cart, FAIL), shop])
    assert [one.status for one in ends] == [Status.HALTED, Status.HALTED]
    assert "broken" in ends[0].reason and "shop cannot be: migration 0042_drop_email" in ends[0].reason
    assert "cart: verify" in ends[1].reason and "go forward" in ends[1].reason
    assert due(ends) == () and mended(ends, "asked for") == ends and agreed(ends) == ends


def test_one_without_a_way_back_whose_promotion_failed_takes_the_promoted_ones_back_with_it() -> None:
    actions = actions_of([], False, False)
    cart = member("cart", actions, OLD).model_copy(update={"cursor": 3, "promoted": True})
    shop = member("shop", actions, OLD, "0042_drop_email").model_copy(update={"cursor": 2})
    assert due([cart, shop]) == (1,)
    ends = agreed([cart, abort(shop, "promote: no answer")])
    assert [one.status for one in ends] == [Status.ABORTING, Status.ABORTING] and due(ends) == (0, 1)


def test_several_that_cannot_go_back_are_refused_with_their_names() -> None:
    actions = actions_of([], False, True)
    one, other = member("cart", actions, OLD, "0001_a"), member("shop", actions, OLD, "0002_b")
    one_last([one, member("stock", actions, OLD)])
    with pytest.raises(SpecError, match=r"cart \(0001_a\), shop \(0002_b\)") as caught:
        one_last([one, other])
    assert "alone first" in caught.value.fix


def test_a_service_that_is_named_twice_is_refused() -> None:
    distinct(["cart", "shop"])
    with pytest.raises(SpecError, match="the service cart"):
        distinct(["cart", "shop", "cart"])


def test_leases_are_taken_in_one_order_however_the_services_were_named() -> None:
    found = group(4).members
    assert in_order(reversed(found)) == in_order([*found, *found]) == found
    assert in_order(found[1:]) == found[1:]


def test_the_command_that_takes_a_group_back_can_be_pasted() -> None:
    said = way_back(["./my shop", "cart"], "staging")
    assert said == "tes rollback './my shop' cart --environment staging"


def seen(stable: str | None, **weights: int) -> ServiceState:
    rollout = member("cart", (), OLD)
    states = tuple(
        ReleaseState(release=rollout.release.model_copy(update={"version": version}), weight=weight)
        for version, weight in weights.items()
    )
    return ServiceState(target=rollout.target, stable=stable, releases=states)


SEEN: dict[str, Callable[[], ServiceState | None]] = {
    "cart is at new (new)": lambda: seen(NEW, new=100),
    "cart is at old (old)": lambda: seen(OLD, old=100, new=0),
    "cart has its traffic divided (neither)": lambda: seen(OLD, old=80, new=20),
    "cart has nothing (neither)": lambda: seen(None),
    "cart is not known: no answer": lambda: None,
}


@pytest.mark.parametrize("told", SEEN)
def test_where_a_service_stands_is_what_was_seen(told: str) -> None:
    state = SEEN[told]()
    one = stand(member("cart", (), OLD), state, "" if state else "no answer")
    assert str(one) == told
    assert torn([one]) == ("" if told.endswith(("(new)", "(old)")) else told)


def test_a_group_is_torn_when_some_are_new_and_others_are_not() -> None:
    new, old = stand(member("cart", (), OLD), seen(NEW, new=100)), stand(member("shop", (), OLD), seen(OLD, old=100))
    gone = stand(member("stock", (), None), seen(None))
    assert torn([new, new]) == torn([old, old]) == torn([old, gone]) == ""
    assert torn([new, old]) == "cart is at new (new); shop is at old (old)"
    assert torn([new, gone])


def test_a_group_has_arrived_when_all_are_at_the_end_of_their_plans() -> None:
    actions = actions_of([], False, False)
    end = {"cursor": len(actions), "promoted": True}
    whole = [member(name, actions, OLD).model_copy(update=end) for name in SERVICES]
    assert arrived(whole) and all(one.status is Status.PROMOTED for one in agreed(whole))
    assert not arrived([*whole[1:], whole[0].model_copy(update={"cursor": 3})])
    assert not arrived([abort(one, "why") for one in whole])
