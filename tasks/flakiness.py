"""The daily look at what is remembered of cases: who flakes, who may leave the quarantine, who enters it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

from prefect.artifacts import acreate_table_artifact

from domain.cases import CaseId
from domain.flakiness import Assessment, State
from domain.quarantine import Entry, day, proved_stable, suggested
from domain.spec import Quarantine
from domain.verdict import Value
from records.read.failure import failure_clusters
from records.read.history import counted, histories
from records.read.quarantine import Held, quarantines
from records.write.quarantine import quarantine, release
from tasks.case_memory import assessed, ranked
from tasks.kinds import act, observe
from tasks.publish import in_prefect, key
from tasks.run import actor
from tasks.spec_file import load_spec

OWNER = "the daily look"
SHOWN = 200


class Line(Value):
    """One case: its state with the reasons, in how many runs it passed only on retry, and what became of its quarantine
    today."""

    case: CaseId
    state: State
    reasons: tuple[str, ...]
    low: float = 0.0
    on_retry: int = 0
    until: str = ""
    done: str = ""


class Look(Value):
    """A project's cases that are worth a look, the worst first. `suggested`: flaky ones that the quarantine has room
    for; `added` and `released`: what was done."""

    project: str
    lines: tuple[Line, ...] = ()
    suggested: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    released: tuple[str, ...] = ()

    def count(self, state: State) -> int:
        """How many of them are in that state."""
        return sum(line.state is state for line in self.lines)


@observe("flakiness of {project}")
async def looked_at(project: str) -> dict[CaseId, Assessment]:
    """What the histories say now."""
    return await asyncio.to_thread(assessed, project)


@act("quarantine of {project}")
async def kept_up(project: str, rule: Quarantine, found: dict[CaseId, Assessment]) -> Look:
    """Releases who proved stable, closes what has ended, and sets flaky cases aside where the project wants that."""
    return await asyncio.to_thread(_kept_up, project, rule, found, time.time())


def _kept_up(project: str, rule: Quarantine, found: Mapping[CaseId, Assessment], now: float) -> Look:
    stays = [one for one in quarantines(project, all=True) if one.released is None]
    seen = histories(project, (one.id for one in stays))
    done: dict[CaseId, str] = {}
    released = []
    for stay in stays:
        why = _why_it_leaves(stay, rule, now) or proved_stable(stay.entry, seen[stay.id], rule)
        if why and release(project, stay.entry, why, actor()):
            done[stay.entry.case] = f"released: {why}"
            released.append(str(stay.entry.case))
    held = [stay.entry for stay in stays if stay.entry.case not in done]
    # Not on the day on which it was let go: the same history would take it back.
    candidates = {case: one for case, one in found.items() if case not in done}
    wanted = suggested(candidates, held, counted(project), rule)
    added = []
    if rule.automatic:
        for case in wanted:
            reason = found[case].reasons[0]
            entry = Entry(
                case=case, owner=OWNER, reason=reason, added=now, until=now + rule.longest, automatic=True
            )  # fmt: skip
            quarantine(project, entry, actor())
            held.append(entry)
            done[case] = f"set aside until {day(entry.until)}"
            added.append(str(case))
    until = {entry.case: day(entry.until) for entry in held}
    lines = [
        Line(
            case=case,
            state=found[case].state,
            reasons=found[case].reasons,
            low=found[case].low,
            on_retry=found[case].on_retry,
            until=until.get(case, ""),
            done=done.get(case, "suggested for quarantine" if case in wanted else ""),
        )
        for case in ranked(found)
        if found[case].state is not State.STABLE or case in done or case in until
    ]
    return Look(
        project=project,
        lines=tuple(lines),
        suggested=() if rule.automatic else tuple(str(case) for case in wanted),
        added=tuple(added),
        released=tuple(released),
    )


def _why_it_leaves(stay: Held, rule: Quarantine, now: float) -> str:
    return "" if now < stay.entry.until else f"its end has come: {day(stay.entry.until)}"


@act("table of {look.project}")
async def published(look: Look) -> None:
    """The table that people look at, and the biggest clusters of failures, in the Prefect UI."""
    if not in_prefect():
        return
    rows = [
        {
            "case": str(line.case),
            "suite": line.case.suite,
            "state": line.state.value,
            "why": "; ".join(line.reasons),
            "passed on retry": line.on_retry,
            "quarantine": line.done or (f"until {line.until}" if line.until else ""),
        }
        for line in look.lines[:SHOWN]
    ]
    told = f"{look.count(State.FLAKY)} flaky, {look.count(State.BROKEN)} broken, {len(look.released)} released"
    await acreate_table_artifact(
        rows or [{"case": "none"}], key=key(look.project, "flakiness"), description=f"{look.project}: {told}"
    )
    groups = await asyncio.to_thread(failure_clusters, look.project)
    clusters = [
        {
            "failures": one.count,
            "cases": one.cases,
            "what": one.pattern,
            "example": one.example_case,
            "first": day(one.first),
            "last": day(one.last),
        }
        for one in groups.clusters[:SHOWN]
    ]
    await acreate_table_artifact(
        clusters or [{"failures": 0}],
        key=key(look.project, "failures"),
        description=f"{groups.failures} failures of 30 days in {len(groups.clusters)} groups",
    )


@observe("what {project} wants")
async def wishes(project: str) -> tuple[str, Quarantine]:
    """The project's name and its rules for the quarantine. SpecError when its tes.yaml cannot be used."""
    root = Path(project).expanduser().absolute()
    spec = (await asyncio.to_thread(load_spec, root, files=False)).spec
    return spec.name or root.name, spec.tests.quarantine
