"""Flaky cases that are set aside for a time: each with an owner, a reason and an end, and few of them.

A quarantine keeps a known flake from stopping everybody. It must not become the place where defects go to be forgotten,
hence what it refuses: it ends by itself, it is capped in share, it hides no case that fails every time (a regression),
and nothing at all when so much fails that a flake is not the cause. What it set aside is always told.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from domain.cases import CaseId, SetAside, SuiteReport, final
from domain.errors import SpecError
from domain.flakiness import Assessment, Seen, State, assess
from domain.spec import Quarantine
from domain.verdict import Value

STORM = 0.5
"""With a greater share of its cases bad, a run's trouble is not that some of them flake."""


class Entry(Value):
    """One case in quarantine. `added` and `until` are in seconds since the epoch."""

    case: CaseId
    owner: str
    reason: str
    issue: str = ""
    added: float
    until: float
    automatic: bool = False


def day(moment: float) -> str:
    """The moment's day, in UTC: `2026-12-24`."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")


def room(cases: int, rule: Quarantine) -> int:
    """How many of a suite's cases may be in quarantine: its share, but one at least, unless the share is 0."""
    return max(1, math.floor(rule.max_share * cases + 1e-9)) if rule.max_share else 0


def checked(entry: Entry, held: int, cases: int, rule: Quarantine, found: Assessment) -> Entry:
    """The entry, when it may be added to `held` others of a suite of `cases`. SpecError says what stands against it."""
    if not entry.owner.strip() or not entry.reason.strip():
        raise SpecError(f"{entry.case} cannot be set aside by nobody or for nothing", fix="give --owner and --reason")
    if not entry.added < entry.until <= entry.added + rule.longest + 86400:
        raise SpecError(
            f"{entry.case} cannot be set aside until {day(entry.until)}",
            fix=f"an end between tomorrow and {day(entry.added + rule.longest)}: tests.quarantine.longest",
        )
    if found.state is State.BROKEN:
        raise SpecError(
            f"{entry.case} fails every time, which is no flake: {found.reasons[0]}", fix="repair it, or its cause"
        )
    if held + 1 > room(cases, rule):
        raise SpecError(
            f"{held} of {cases} cases of {entry.case.suite} are set aside, and no more may be",
            fix="repair and release one (`tes quarantine list`), or raise tests.quarantine.max_share",
        )
    return entry


def set_aside(
    report: SuiteReport,
    entries: Iterable[Entry],
    histories: Mapping[CaseId, Sequence[Seen]],
    rule: Quarantine,
    *,
    cases: int,
    now: float,
    run: str = "this run",
    content: str = "",
) -> SetAside:
    """What the quarantine means for a report. `histories` are what was seen of the cases before, `cases` how many the
    suite is known to have; `run` and `content` name this run and what it tested."""
    last = final(report.attempts)
    mine = {entry.case: entry for entry in entries if entry.case.suite == report.suite and now < entry.until}
    bad = [case for case, attempt in last.items() if attempt.status.bad]
    touched = [mine[case] for case in bad if case in mine]
    if not touched:
        return SetAside()
    if len(bad) > STORM * len(last) and len(bad) > len(touched):
        return SetAside(reasons=(f"{len(bad)} of {len(last)} cases are bad: no quarantine applies to that",))
    aside: list[CaseId] = []
    reasons: list[str] = []
    for entry in touched:
        here = [
            Seen(run, content, now, attempt.status, attempt.number)
            for attempt in report.attempts
            if attempt.case == entry.case and not attempt.reused
        ]
        before = histories.get(entry.case, ())
        if why := _not_hidden([*before, *here]):
            reasons.append(f"{entry.case} is in quarantine and counts all the same: {why}")
            continue
        aside.append(entry.case)
        issue = f", {entry.issue}" if entry.issue else ""
        reasons.append(f"{entry.case} is bad and set aside until {day(entry.until)} by {entry.owner}{issue}")
    total = max(cases, len(last) + report.deselected)
    over = ""
    if aside and len(mine) > room(total, rule):
        over = f"{len(mine)} of {total} cases are in quarantine, and at most {room(total, rule)} may be"
    return SetAside(cases=tuple(aside), reasons=tuple(reasons), over=over)


def _not_hidden(seen: Sequence[Seen]) -> str:
    """Why a case's failure counts though it is in quarantine; empty when it does not."""
    if all(one.status.bad for one in seen):
        return f"it never passed in {len(seen)} {'attempt' if len(seen) == 1 else 'attempts'}"
    found = assess(seen)
    return found.reasons[0] if found.state is State.BROKEN else ""


def proved_stable(entry: Entry, history: Sequence[Seen], rule: Quarantine) -> str:
    """Why a case may leave: it passed often enough in a row, at enough contents, since it came. Empty when it stays.

    A case that flakes rarely needs more: passes that its own old rate would give in more than 1 % prove nothing.
    """
    after = [one for one in history if one.at >= entry.added]
    found = assess(after)
    contents = {one.content or one.run for one in after}
    if found.streak < rule.passes or found.failures or len(contents) < rule.revisions:
        return ""
    if assess(history).state is not State.STABLE:
        return ""
    return f"passed {found.streak} in a row at {len(contents)} revisions since {day(entry.added)}"


def suggested(
    found: Mapping[CaseId, Assessment], entries: Iterable[Entry], cases: Mapping[str, int], rule: Quarantine
) -> tuple[CaseId, ...]:
    """The flaky cases that there is room for, the surest first; `cases` is how many each suite has."""
    held: dict[str, set[CaseId]] = {}
    for entry in entries:
        held.setdefault(entry.case.suite, set()).add(entry.case)
    chosen = []
    for case in sorted(found, key=lambda one: (-found[one].low, str(one))):
        mine = held.setdefault(case.suite, set())
        if found[case].state is State.FLAKY and case not in mine and len(mine) < room(cases.get(case.suite, 0), rule):
            mine.add(case)
            chosen.append(case)
    return tuple(chosen)
