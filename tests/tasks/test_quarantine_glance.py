"""The glance into the records never says that nothing is in quarantine where something is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import records
from domain.cases import Attempt, CaseId, Status
from domain.impact import REUSABLE
from domain.quarantine import Entry
from records.write.quarantine import release
from tasks.quarantine_glance import surely_nothing

CASE = CaseId(suite="unit", file="a.py", name="test_a")


def entry() -> Entry:
    now = time.time()
    return Entry(case=CASE, owner="ann", reason="races", added=now, until=now + 9 * 86400)


@pytest.mark.parametrize("named", [False, True])
def test_it_says_nothing_only_while_there_is_nothing(
    named: bool, tes_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TES_DATABASE_URL", raising=False)
    if named:
        monkeypatch.setenv("TES_DATABASE_URL", f"sqlite:///{tmp_path}/its records.db")
    assert surely_nothing("shop"), "there are no records yet"
    records.open_run("r1", "shop", "test")
    records.record_attempts("r1", "tests.unit", [Attempt(case=CASE, status=Status.FAILED)])
    assert surely_nothing("shop")
    records.quarantine("shop", entry(), "ann")
    assert not surely_nothing("shop") and surely_nothing("bakery")
    release("shop", entry(), "mended", "ann")
    assert surely_nothing("shop")


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/none", "nonsense://", "sqlite://", "sqlite:///x?y=z"])
def test_what_it_does_not_understand_is_left_to_the_records(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TES_DATABASE_URL", url)
    assert not surely_nothing("shop")


def test_a_file_that_is_no_database_is_left_to_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "records.db").write_text("no database")
    monkeypatch.setenv("TES_DATABASE_URL", f"sqlite:///{tmp_path}/records.db")
    assert not surely_nothing("shop")


def test_a_quoted_result_is_never_bad_so_that_no_quarantine_can_change_it() -> None:
    """Why `tes test --changed` does not ask where nothing has to run."""
    assert not any(status.bad for status in Status if status.value in REUSABLE)


def test_a_failing_run_loads_no_records_for_the_person_to_wait_for(tes_home: Path, tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_a(): assert 0\n")
    done = subprocess.run(
        [sys.executable, "-X", "importtime", Path(sys.executable).with_name("tes"), "test"],
        cwd=tmp_path,
        env={**os.environ, "TES_RECORD": "0", "VIRTUAL_ENV": sys.prefix},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr[-2000:]
    assert "sqlmodel" not in {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
