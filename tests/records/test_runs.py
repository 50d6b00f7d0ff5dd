"""Runs are opened, closed, resumed and given up; their lists are paged without a gap or a double."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, timedelta

import pytest
from sqlalchemy import text

import records
from domain.verdict import Outcome
from records.engine import WRITES, engine
from records.tables import RunRow, RunState


def _run(run_id: str) -> RunRow:
    found = records.run(run_id)
    assert found is not None
    return found.run


def test_an_open_run_says_who_walks_it(database: str) -> None:
    records.open_run(
        "r1", "checkout", "release", environment="staging", ref="main", source_digest="sha256:s", actor="eve"
    )
    row = _run("r1")
    assert (row.state, row.outcome, row.environment, row.ref) == (RunState.RUNNING, None, "staging", "main")
    assert (row.source_digest, row.actor, row.project) == ("sha256:s", "eve", "checkout")
    assert row.pid > 0 and row.host and row.opened.utcoffset() == timedelta(0) and row.opened.tzinfo is UTC


def test_a_closed_run_says_how_it_ended(database: str) -> None:
    records.open_run("r1", "checkout", "release")
    records.close_run("r1", Outcome.FAIL, ["p95 812 ms > 500 ms over 14 s"])
    row = _run("r1")
    assert (row.state, row.outcome, row.reasons) == (RunState.FINISHED, "FAIL", ["p95 812 ms > 500 ms over 14 s"])
    assert row.closed is not None and row.closed >= row.opened
    records.close_run("r1", Outcome.FAIL)
    assert _run("r1").closed == row.closed


def test_taking_up_a_run_keeps_when_it_was_opened(database: str) -> None:
    records.open_run("r1", "checkout", "release", ref="v1", actor="eve")
    opened = _run("r1").opened
    assert records.mark_interrupted("r1")
    assert _run("r1").state == RunState.INTERRUPTED
    records.open_run("r1", "checkout", "release", ref="v1", actor="ann")
    row = _run("r1")
    assert (row.state, row.opened, row.actor, row.closed, row.reasons) == (RunState.RUNNING, opened, "ann", None, [])


def test_what_is_known_later_completes_a_run_and_what_is_left_out_erases_nothing(database: str) -> None:
    records.open_run("r1", "checkout", "release", environment="staging", ref="v1", actor="eve")
    records.open_run("r1", "checkout", "release", source_digest="sha256:s", flow_run_id="f1")
    row = _run("r1")
    assert (row.environment, row.ref, row.actor) == ("staging", "v1", "eve")
    assert (row.source_digest, row.flow_run_id) == ("sha256:s", "f1")


def test_a_finished_run_cannot_be_interrupted(database: str) -> None:
    records.open_run("r1", "checkout", "release")
    records.close_run("r1", Outcome.PASS)
    assert not records.mark_interrupted("r1")
    assert _run("r1").state == RunState.FINISHED
    assert not records.mark_interrupted("no such run")


def test_a_run_is_abandoned_once_its_process_is_gone(database: str) -> None:
    records.open_run("mine", "checkout", "release")
    code = "import records; records.open_run('theirs', 'checkout', 'release')"
    subprocess.run([sys.executable, "-c", code], check=True, env={"TES_DATABASE_URL": database})
    assert [row.id for row in records.abandoned()] == ["theirs"]
    assert [row.id for row in records.abandoned("another project")] == []
    records.mark_interrupted("theirs")
    assert records.abandoned() == []


def test_a_pid_used_again_is_another_process(database: str) -> None:
    records.open_run("r1", "checkout", "release")
    with engine().execution_options(**{WRITES: True}).begin() as connection:
        connection.execute(text("UPDATE runs SET process_started = process_started - 60"))
    assert [row.id for row in records.abandoned()] == ["r1"]


def test_a_process_on_another_host_is_not_judged_from_here(database: str) -> None:
    records.open_run("r1", "checkout", "release")
    with engine().execution_options(**{WRITES: True}).begin() as connection:
        connection.execute(text("UPDATE runs SET host = 'elsewhere', pid = 999999"))
    assert records.abandoned() == []


def test_pages_hold_every_run_once_even_when_they_opened_together(database: str) -> None:
    for number in range(7):
        records.open_run(f"r{number}", "checkout", "release", environment="staging")
    with engine().execution_options(**{WRITES: True}).begin() as connection:
        connection.execute(text("UPDATE runs SET opened = (SELECT min(opened) FROM runs) WHERE id < 'r5'"))
    seen: list[str] = []
    after: str | None = None
    while True:
        page = records.runs(limit=3, after=after)
        seen += [row.id for row in page.items]
        if page.next is None:
            break
        after = page.next
        if len(seen) == 3:
            records.open_run("late", "checkout", "release")
    assert seen == ["r6", "r5", "r4", "r3", "r2", "r1", "r0"]


def test_runs_are_filtered_by_project_and_environment(database: str) -> None:
    records.open_run("a", "checkout", "release", environment="staging")
    records.open_run("b", "checkout", "release", environment="production")
    records.open_run("c", "search", "release", environment="staging")
    assert [row.id for row in records.runs(project="checkout").items] == ["b", "a"]
    assert [row.id for row in records.runs(environment="staging").items] == ["c", "a"]
    assert [row.id for row in records.runs(project="search", environment="production").items] == []
    assert [row.name for row in records.projects().items] == ["checkout", "search"]
    assert [row.name for row in records.projects(after="checkout").items] == ["search"]


@pytest.mark.parametrize("limit", [-1, 0, 10**9])
def test_a_page_has_a_sane_length(database: str, limit: int) -> None:
    records.open_run("a", "checkout", "release")
    assert [row.id for row in records.runs(limit=limit).items] == ["a"]
