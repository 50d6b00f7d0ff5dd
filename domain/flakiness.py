"""Whether a case is stable, flaky or broken, from what became of it: attempts at known contents, in the order of time.

Three kinds of evidence, from sure to weak:

1. It failed and passed at the same content (in two runs, or "passed on retry"): that is what flaky means.
2. It failed alone, at contents of which there is one run, and passed before and after, several times: a regression does
   not come and go with every change. Google found that 84 % of the transitions from pass to fail were flakes
   (J. Micco, The State of Continuous Integration Testing @Google, 2017).
3. It fails every time since some moment. How long a streak must be to be a regression depends on how often the case
   failed before: a streak that its old rate would give in less than 1 % is none of chance.

The flip rate, the strongest single feature of a history, is told beside it and decides nothing alone: a regression and
its repair are two flips, too. Sources: E. Kowalczyk et al., Modeling and Ranking Flaky Tests at Apple, ICSE-SEIP 2020;
M. Gruber et al., Practical Flaky Test Prediction using Common Code Evolution and Test History Data, arXiv 2302.09330.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import groupby, pairwise
from typing import NamedTuple

from domain.cases import Status
from domain.verdict import Value
from domain.wilson import wilson


class State(StrEnum):
    """`broken`: it fails every time since some moment, which is a regression until somebody shows otherwise."""

    STABLE = "stable"
    FLAKY = "flaky"
    BROKEN = "broken"
    UNKNOWN = "unknown"


class Seen(NamedTuple):
    """One attempt. `content` is the digest of what was tested, "" when nobody knows; `at` the run's time in seconds
    since the epoch. `storm`: so much failed in that run that its failures say nothing about one case."""

    run: str
    content: str
    at: float
    status: Status
    number: int = 1
    storm: bool = False


class Rule(Value):
    """How much evidence is enough. `chance` is how likely a streak of failures may be before it is called broken,
    `luck` how likely a streak of passes may be before a flaky case is called repaired."""

    attempts: int = 10
    failures: int = 2
    alone: int = 3
    streak: int = 3
    chance: float = 0.01
    luck: float = 0.01


class Assessment(Value):
    """What a history says. Rates are ratios 0..1; `low` and `high` are Wilson's bounds of `rate` at 95 %.

    `trials` are the attempts that could tell a flake, `flakes` those that were one. `streak` counts attempts at the end
    of the history: of passes when positive, of failures when negative. `since` is the content at which it began.
    """

    state: State
    reasons: tuple[str, ...]
    attempts: int = 0
    failures: int = 0
    runs: int = 0
    contents: int = 0
    trials: int = 0
    flakes: int = 0
    on_retry: int = 0
    flips: int = 0
    flip_rate: float = 0.0
    rate: float = 0.0
    low: float = 0.0
    high: float = 1.0
    streak: int = 0
    since: str = ""
    last_failure: float = 0.0


class _Content(NamedTuple):
    """All that was seen of one content before the final streak."""

    seen: list[Seen]
    passed: bool

    @property
    def alone(self) -> bool:
        """Failed, in one run only."""
        return not self.passed and len({one.run for one in self.seen}) == 1


def storms(runs: Mapping[str, tuple[int, int]], share: float = 0.3, least: int = 5) -> set[str]:
    """Runs (id → cases that were bad, be it until a retry, all cases) in which so much failed that the cause is not the
    case: a full disk, a database that was away, a broken import."""
    return {run for run, (bad, cases) in runs.items() if bad >= least and bad > share * cases}


def assess(history: Iterable[Seen], rule: Rule | None = None) -> Assessment:
    """What the history of one case says. Skipped attempts say nothing; the order in which they are given does not
    matter. Time and memory grow with the history's length."""
    rule = rule or Rule()
    seen = sorted((one for one in history if one.status is not Status.SKIPPED), key=lambda s: (s.at, s.run, s.number))
    if not seen:
        return Assessment(state=State.UNKNOWN, reasons=("it never ran",))
    tail = _tail(seen)
    failing = seen[-1].status.bad
    # Whether the failures at the end are chance is judged by what came before them; if they are, they count with it.
    contents = _contents(seen[: len(seen) - len(tail)] if failing else seen)
    flakes, trials, weak = _evidence(contents, rule)
    broken = _broken(seen, tail, flakes, trials, rule) if failing else None
    if failing and not broken:
        contents = _contents(seen)
        flakes, trials, weak = _evidence(contents, rule)
    rate = len(flakes) / trials if trials else 0.0
    low, high = wilson(len(flakes), trials)
    by_run = [list(group) for _, group in groupby(seen, key=lambda s: s.run)]
    firsts = [group[0].status.bad for group in by_run]
    flips = sum(before is not after for before, after in pairwise(firsts))
    bad = [one for one in seen if one.status.bad]
    state, reasons = (State.BROKEN, [broken]) if broken else _decide(seen, tail, contents, flakes, trials, weak, rule)
    return Assessment(
        state=state,
        reasons=tuple(reasons),
        attempts=len(seen),
        failures=len(bad),
        runs=len(by_run),
        contents=len({_key(one) for one in seen}),
        trials=trials,
        flakes=len(flakes),
        on_retry=sum(group[0].status.bad and not group[-1].status.bad for group in by_run),
        flips=flips,
        flip_rate=flips / (len(firsts) - 1) if len(firsts) > 1 else 0.0,
        rate=rate,
        low=low,
        high=high,
        streak=-len(tail) if failing else len(tail),
        since=tail[0].content,
        last_failure=bad[-1].at if bad else 0.0,
    )


def told(flakes: int, trials: int) -> str:
    """A rate with its bounds: `7.5 % (2.6-19.9 %, 95 %)`."""
    low, high = wilson(flakes, trials)
    return f"{100 * flakes / max(1, trials):.1f} % ({100 * low:.1f}-{100 * high:.1f} %, 95 %)"


def _key(one: Seen) -> str:
    # What nobody knows is equal to nothing else.
    return one.content or f"run {one.run}"


def _tail(seen: Sequence[Seen]) -> list[Seen]:
    """The attempts at the end that ended alike."""
    kind = seen[-1].status.bad
    start = next((index for index in range(len(seen) - 1, -1, -1) if seen[index].status.bad is not kind), -1)
    return list(seen[start + 1 :])


def _contents(seen: Sequence[Seen]) -> list[_Content]:
    groups: dict[str, list[Seen]] = {}
    for one in seen:
        groups.setdefault(_key(one), []).append(one)
    return [_Content(group, any(not one.status.bad for one in group)) for group in groups.values()]


def _evidence(contents: Sequence[_Content], rule: Rule) -> tuple[list[Seen], int, int]:
    """The flakes, of how many attempts, and how many of them are of the weak kind."""
    calm = [one for content in contents if content.passed for one in content.seen if not one.storm]
    flakes = [one for one in calm if one.status.bad]
    # Failures between two contents that passed: each for itself, or they are one regression.
    alone = [
        content.seen
        for before, content, after in zip(contents, contents[1:], contents[2:], strict=False)
        if content.alone and before.passed and after.passed and not any(one.storm for one in content.seen)
    ]
    if len(alone) < rule.alone:
        return flakes, len(calm), 0
    # Retries of one run fail for one reason: they count once.
    weak = [group[0] for group in alone]
    return sorted([*flakes, *weak], key=lambda s: s.at), len(calm) + len(weak), len(weak)


def _decide(
    seen: Sequence[Seen],
    tail: Sequence[Seen],
    contents: Sequence[_Content],
    flakes: Sequence[Seen],
    trials: int,
    weak: int,
    rule: Rule,
) -> tuple[State, list[str]]:
    failing = seen[-1].status.bad
    passed_at = sum(content.passed for content in contents)
    where = f"at {passed_at} {'revision' if passed_at == 1 else 'revisions'} that passed too"
    if weak:
        where += f", {weak} of them alone between passes at others"
    rate = f"failed {len(flakes)} of {trials} {where}; flake rate {told(len(flakes), trials)}"
    if not failing and flakes and (reason := _repaired(seen, flakes, trials, rule)):
        return State.STABLE, [reason]
    if len(flakes) >= rule.failures and trials >= rule.attempts:
        retried = len({one.run for one in flakes} & {one.run for one in seen if not one.status.bad})
        more = [f"passed on retry in {retried} {'run' if retried == 1 else 'runs'}"] if retried else []
        return State.FLAKY, [rate, *more]
    if failing:
        return State.UNKNOWN, [f"failed {len(tail)} in a row, which does not yet tell a regression from a flake"]
    if flakes:
        return State.UNKNOWN, [f"{rate}: too little to speak (at least {rule.failures} of {rule.attempts})"]
    if trials < rule.attempts:
        return State.UNKNOWN, [f"{trials} attempts, and at least {rule.attempts} are wanted"]
    reason = f"passed {trials} of {trials} {where.removesuffix(' that passed too')}; flake rate {told(0, trials)}"
    repaired = len(seen) - trials
    return State.STABLE, [reason, *([f"failed {repaired} times at revisions that never passed"] if repaired else [])]


def _broken(seen: Sequence[Seen], tail: Sequence[Seen], flakes: Sequence[Seen], trials: int, rule: Rule) -> str | None:
    """Why the failures at the end are no chance; None when they may be."""
    count = len(tail)
    last_good = seen[-count - 1] if count < len(seen) else None
    if last_good is None:
        return f"never passed in {count} attempts" if count >= rule.streak else None
    _, high = wilson(len(flakes), trials)
    by_chance = high**count
    sure = by_chance < rule.chance and count >= rule.failures
    if not sure and (flakes or count < rule.streak):
        return None
    same = _key(last_good) == _key(tail[0])
    since = "though the revision is the same" if same else f"since revision {tail[0].content[-64:][:12] or 'unknown'}"
    before = f"before, it failed {len(flakes)} of {trials}"
    return f"failed {count} of {count} {since}; {before}: such a streak is chance in at most {100 * by_chance:.2g} %"


def _repaired(seen: Sequence[Seen], flakes: Sequence[Seen], trials: int, rule: Rule) -> str | None:
    """Why the last flake was the last; None when it may come back."""
    last = flakes[-1]
    # A machine's bad day says nothing about the case: neither that it flakes on nor that it is repaired.
    after = [one for one in seen if not one.storm and (one.at, one.run, one.number) > (last.at, last.run, last.number)]
    count = len(after)
    if count < rule.attempts or all(_key(one) == _key(last) for one in after) or any(one.status.bad for one in after):
        return None
    # Flakes that came early say little of a rate: without a floor, two in the first four attempts would be 50 %.
    before = len(flakes) / max(2 * rule.attempts, trials - count)
    luck = (1 - before) ** count
    if luck > rule.luck:
        return None
    return (
        f"passed {count} in a row since it last failed; at its rate until then, {100 * before:.1f} %, chance gives "
        f"that in {100 * luck:.2g} %"
    )
