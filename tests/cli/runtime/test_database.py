"""A fresh home starts from the template; a home that was used is never touched."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cli.runtime import database, template


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the template."""
    path = tmp_path / "template.db"
    path.write_bytes(b"migrated")
    monkeypatch.setattr(database, "template_path", lambda: path)
    return path


def test_a_fresh_home_gets_a_copy_and_needs_no_migration(made: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert not database.is_current(home)
    database.prepare(home)
    assert database.database(home).read_bytes() == b"migrated"
    assert database.is_current(home)
    assert database.database(home).parent.stat().st_mode & 0o077 == 0


def test_without_a_template_the_server_migrates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "template_path", lambda: tmp_path / "none.db")
    database.prepare(tmp_path / "home")
    assert not database.database(tmp_path / "home").exists()
    assert not database.is_current(tmp_path / "home")


def test_a_database_that_is_there_is_kept(made: Path, tmp_path: Path) -> None:
    target = database.database(tmp_path / "home")
    target.parent.mkdir(parents=True)
    target.write_bytes(b"used")
    database.prepare(tmp_path / "home")
    assert target.read_bytes() == b"used" and not database.is_current(tmp_path / "home")
    database.mark_current(tmp_path / "home")
    assert database.is_current(tmp_path / "home")


def test_another_prefect_migrates_again(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database.prepare(tmp_path / "home")
    monkeypatch.setattr(database, "fingerprint", lambda: "4.0.0-other")
    assert not database.is_current(tmp_path / "home")


def test_a_log_of_a_database_that_was_removed_is_not_replayed(made: Path, tmp_path: Path) -> None:
    target = database.database(tmp_path / "home")
    target.parent.mkdir(parents=True)
    target.with_name("prefect.db-wal").write_bytes(b"of the one before")
    database.prepare(tmp_path / "home")
    assert not target.with_name("prefect.db-wal").exists()


def test_the_template_is_of_the_prefect_that_is_installed_and_is_empty() -> None:
    path = template.make()
    assert path.name == f"prefect-{database.fingerprint()}.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        for table, empty in {"flow_run": True, "deployment": True, "block_type": False}.items():
            assert (connection.execute(f"select count(*) from {table}").fetchone()[0] == 0) is empty, table
