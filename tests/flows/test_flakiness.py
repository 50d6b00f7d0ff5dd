"""The daily look: who flakes is found, suggested or set aside; who ended or proved stable leaves."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import records
from domain.cases import Attempt, CaseId, Status
from domain.flakiness import State
from domain.quarantine import Entry
from domain.spec import Quarantine
from tasks.flakiness import Look, kept_up, looked_at, published, wishes

RACE, CALM, DEAD = (CaseId(suite="unit", file="t.py", name=name) for name in ("race", "calm", "dead"))


@pytest.fixture(autouse=True)
def history(tes_home: Path) -> None:
    """24 runs of 4 contents: one case flakes, one is calm, one is broken since the last content."""
    for number in range(24):
        records.open_run(f"r{number}", "demo", "execution", source_digest=f"sha256:{number // 6}")
        status = {RACE: number % 5 == 1, CALM: False, DEAD: number >= 18}
        made = [Attempt(case=case, status=Status.FAILED if bad else Status.PASSED) for case, bad in status.items()]
        records.record_attempts(f"r{number}", "tests.unit", made)


async def look(rule: Quarantine) -> Look:
    found = await kept_up.fn("demo", rule, await looked_at.fn("demo"))
    await published.fn(found)
    return found


async def test_the_flaky_is_suggested_and_the_broken_is_told_and_not_hidden() -> None:
    found = await look(Quarantine())
    assert [(line.case, line.state) for line in found.lines] == [(DEAD, State.BROKEN), (RACE, State.FLAKY)]
    assert found.suggested == ("t.py::race",) and not found.added and not records.quarantines("demo")


async def test_where_the_project_wants_it_the_flaky_is_set_aside_once() -> None:
    assert (await look(Quarantine(automatic=True))).added == ("t.py::race",)
    assert (await look(Quarantine(automatic=True))).added == ()
    (held,) = records.quarantines("demo")
    assert held.entry.case == RACE and held.entry.automatic
    assert records.audit_entries().items[0].action == "quarantine.add"


async def test_what_has_ended_and_what_proved_stable_leaves() -> None:
    now = time.time()
    for case, until in ((RACE, now - 1), (CALM, now + 86400)):
        entry = Entry(case=case, owner="ada", reason="races", added=now - 86400, until=until)
        records.quarantine("demo", entry, "ada")
    found = await look(Quarantine())
    assert set(found.released) == {"t.py::race", "t.py::calm"} and not records.quarantines("demo")
    whys = {one.entry.case: one.released_why or "" for one in records.quarantines("demo", all=True)}
    assert "its end has come" in whys[RACE] and "passed 24 in a row at 4 revisions" in whys[CALM]


async def test_the_rules_are_the_projects(tmp_path: Path) -> None:
    (tmp_path / "tes.yaml").write_text("name: demo\ntests: {quarantine: {automatic: true, passes: 7}}\n")
    name, rule = await wishes.fn(str(tmp_path))
    assert (name, rule.automatic, rule.passes) == ("demo", True, 7)
