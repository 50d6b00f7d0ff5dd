"""The rollout machine: old or new, never neither, whatever the verdicts and wherever it is killed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import SpecError
from domain.place import Capability, Release, Target
from domain.rollout import Action, Rollout, Status, Verb, abort, advance, plan, requires
from domain.spec import EnvironmentSpec, Step
from domain.supply import Artifact
from domain.verdict import Outcome, Verdict

RELEASE = Release(
    service="shop",
    version="2",
    artifact=Artifact(kind="bundle", digest="sha256:" + "0" * 64, location="bundle.tar"),
)


def _environment(strategy: str, weights: list[int]) -> EnvironmentSpec:
    steps = tuple(Step(weight=weight, bake=1.0) for weight in weights) if strategy == "canary" else ()
    return EnvironmentSpec(strategy=strategy, steps=steps)


_ENVIRONMENTS = st.builds(
    _environment,
    st.sampled_from(["all_at_once", "blue_green", "canary"]),
    st.sets(st.integers(1, 99), min_size=1, max_size=4).map(sorted),
)
_PLANS = st.builds(
    lambda place, first, migrates: plan(place, first=first, migrates=migrates), _ENVIRONMENTS, *[st.booleans()] * 2
)
_ROLLOUTS = st.builds(
    lambda actions, stable, frozen: Rollout(
        id="r",
        target=Target(service="shop", environment="production"),
        release=RELEASE,
        stable=stable,
        strategy="any",
        plan=actions,
        frozen=frozen if stable else "",
    ),
    _PLANS,
    st.none() | st.just("1"),
    st.sampled_from(["", "0042_drop_email"]),
)
PASS = Verdict(gate="g", outcome=Outcome.PASS)
FAIL = Verdict(gate="g", outcome=Outcome.FAIL, reasons=("broken",))
BAD = (
    FAIL,
    FAIL.model_copy(update={"reasons": ()}),
    Verdict(gate="g", outcome=Outcome.INCONCLUSIVE, reasons=("blind",)),
)
_VERDICTS = st.sampled_from((PASS, *BAD))
# All passes but in one or two places, or no run would get far; longer than any plan and its abort.
_STORIES = st.dictionaries(st.integers(0, 13), _VERDICTS, max_size=2).map(
    lambda odd: [odd.get(index, PASS) for index in range(20)]
)


def _history(rollout: Rollout, verdicts: list[Verdict]) -> list[tuple[Rollout, Action, Verdict, Rollout]]:
    """(before, what was done, how it went, after) of each step until it is over."""
    told = []
    for verdict in verdicts:
        if rollout.action is None:
            break
        after = advance(rollout, verdict)
        told.append((rollout, rollout.action, verdict, after))
        rollout = after
    return told


@given(_ROLLOUTS, _STORIES)
def test_every_story_ends(rollout: Rollout, verdicts: list[Verdict]) -> None:
    end = _history(rollout, verdicts)[-1][3]
    assert end.status.over and end.action is None


@given(_ROLLOUTS, _STORIES)
def test_promoted_only_when_everything_passed_and_promote_was_done(rollout: Rollout, verdicts: list[Verdict]) -> None:
    history = _history(rollout, verdicts)
    all_passed = all(verdict.passed for _, _, verdict, _ in history)
    assert (history[-1][3].status is Status.PROMOTED) == all_passed
    if all_passed:
        assert tuple(action for _, action, _, _ in history) == rollout.plan
        assert Verb.PROMOTE in [action.verb for action in rollout.plan]


@given(_ROLLOUTS, _STORIES)
def test_a_bad_verdict_ends_aborted_or_halted_with_its_reason(rollout: Rollout, verdicts: list[Verdict]) -> None:
    history = _history(rollout, verdicts)
    bad = next(((action, verdict) for _, action, verdict, _ in history if not verdict.passed), None)
    if bad is not None:
        end = history[-1][3]
        assert end.status in (Status.ABORTED, Status.HALTED)
        assert str(bad[0].verb) in end.reason
        assert all(reason in end.reason for reason in bad[1].reasons)


@given(_ROLLOUTS, _STORIES)
def test_the_cursor_never_goes_back_or_skips(rollout: Rollout, verdicts: list[Verdict]) -> None:
    for before, _, _, after in _history(rollout, verdicts):
        assert after.cursor - before.cursor in (0, 1)
        assert 0 <= after.cursor <= len(after.plan)
        assert after.promoted >= before.promoted


@given(_ROLLOUTS, _STORIES)
def test_after_a_failed_promotion_nothing_is_taken_away(rollout: Rollout, verdicts: list[Verdict]) -> None:
    for _, action, verdict, after in _history(rollout, verdicts):
        if action.verb is Verb.PROMOTE and not verdict.passed:
            assert after.status is Status.HALTED and after.action is None and not after.promoted


@given(_ROLLOUTS, _STORIES, st.data())
def test_killed_anywhere_it_goes_on_from_its_page_to_the_same_end(
    rollout: Rollout, verdicts: list[Verdict], data: st.DataObject
) -> None:
    """What is persisted after each step is all there is: each step may run in another process."""
    history = _history(rollout, verdicts)
    at = data.draw(st.integers(0, len(history) - 1))
    read_back = Rollout.model_validate_json(history[at][0].model_dump_json())
    assert read_back == history[at][0]
    assert read_back.action == history[at][1]
    assert _history(read_back, verdicts[at:])[-1][3] == history[-1][3]


@given(_ROLLOUTS, _STORIES, st.data())
def test_an_order_to_abort_goes_back_from_anywhere(
    rollout: Rollout, verdicts: list[Verdict], data: st.DataObject
) -> None:
    history = _history(rollout, verdicts)
    state = data.draw(st.sampled_from([step[3] for step in history] + [rollout]))
    ordered = abort(state, "a person said so")
    if state.status is Status.PROGRESSING and state.promoted and state.frozen:
        assert ordered.status is Status.HALTED and ordered.action is None
    elif state.status is Status.PROGRESSING:
        assert ordered.action == Action(verb=Verb.ABORT)
        assert advance(ordered, PASS).status is Status.ABORTED
        assert advance(ordered, FAIL).status is Status.HALTED
    else:
        assert ordered == state
    assert abort(ordered, "again") == ordered


@given(_ROLLOUTS, _STORIES)
def test_no_traffic_goes_back_across_a_migration_that_cannot_be_undone(
    rollout: Rollout, verdicts: list[Verdict]
) -> None:
    """Before promotion it goes back as ever: the old release has served beside the new one all the time."""
    for before, action, _, after in _history(rollout, verdicts):
        if before.promoted and rollout.frozen:
            assert action.verb is not Verb.ABORT and after.status is not Status.ABORTING
            if after.status is Status.HALTED:
                assert rollout.frozen in after.reason and "go forward" in after.reason
        elif after.status is Status.HALTED:
            assert action.verb in (Verb.PROMOTE, Verb.ABORT)


@given(_ROLLOUTS, _STORIES, _VERDICTS)
def test_what_is_over_stays_over(rollout: Rollout, verdicts: list[Verdict], late: Verdict) -> None:
    end = _history(rollout, verdicts)[-1][3]
    assert advance(end, late) == end


@given(_PLANS)
def test_a_plan_shows_health_before_traffic_and_verifies_at_the_end(actions: tuple[Action, ...]) -> None:
    verbs = [action.verb for action in actions]
    assert verbs[-2:] == [Verb.PROMOTE, Verb.VERIFY]
    ready = verbs.index(Verb.WAIT_READY)
    assert verbs.index(Verb.PROVISION) < ready
    assert all(index > ready for index, verb in enumerate(verbs) if verb in (Verb.SHIFT, Verb.PROMOTE))
    assert Verb.MIGRATE not in verbs[1:]
    for index, action in enumerate(actions):
        if action.verb is Verb.SHIFT:
            assert actions[index + 1].verb is Verb.VERIFY
    weights = [action.weight for action in actions if action.weight is not None]
    assert weights == sorted(set(weights)) and all(0 < weight < 100 for weight in weights)


@given(_PLANS)
def test_a_plan_requires_what_it_does(actions: tuple[Action, ...]) -> None:
    verbs = {action.verb for action in actions}
    needed = requires(actions)
    assert Capability.HOSTS_SERVICES in needed
    assert (Capability.SPLITS_TRAFFIC in needed) == (Verb.SHIFT in verbs)
    assert (Capability.RUNS_JOBS in needed) == (Verb.MIGRATE in verbs)


def test_a_first_release_has_nothing_to_share_traffic_with() -> None:
    verbs = [action.verb for action in plan(_environment("canary", [10, 50]), first=True, migrates=False)]
    assert Verb.SHIFT not in verbs


def test_a_canary_without_steps_is_refused_with_the_fix() -> None:
    with pytest.raises(SpecError) as caught:
        plan(EnvironmentSpec(strategy="canary"), first=False, migrates=False)
    assert "steps" in caught.value.fix
