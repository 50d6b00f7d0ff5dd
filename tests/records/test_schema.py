"""Models and migrations agree, and a database gets its schema once, whoever comes first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlmodel import SQLModel

import records
import records.tables
from domain.errors import Unavailable
from records.engine import WRITES, engine, unchecked
from records.schema import HEAD, MIGRATIONS, current
from records.url import records_url
from tests.records.writing import Writer, only_a_run
from tests.records.values import attempt


def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return ScriptDirectory.from_config(config)


def test_models_and_migrations_agree(database: str) -> None:
    with engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_the_comparison_would_see_a_difference(database: str) -> None:
    with engine().execution_options(**{WRITES: True}).begin() as connection:
        connection.execute(text("ALTER TABLE stages DROP COLUMN reused_from"))
    with engine().connect() as connection:
        context = MigrationContext.configure(connection)
        assert [change[0] for change in compare_metadata(context, SQLModel.metadata)] == ["add_column"]


def test_head_is_the_newest_migration() -> None:
    assert _scripts().get_current_head() == HEAD


def test_versions_are_numbers_that_rise() -> None:
    """`ensure` compares them as numbers."""
    found = [int(script.revision) for script in _scripts().walk_revisions()]
    assert found == sorted(found, reverse=True)


def test_a_downgrade_leaves_nothing(database: str) -> None:
    from alembic import command

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine().execution_options(**{WRITES: True}).begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    with engine().connect() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
    assert records.migrate() is None
    records.open_run("r", "p", "release")


def test_an_older_release_reads_and_records_on_beside_a_newer_schema(database: str) -> None:
    """What is written without the columns `started`, `worker` and `reused`, or was before them, has defaults."""
    records.open_run("r", "p", "release")
    records.record_attempts("r", "tests.unit", [attempt("test_add")])
    with engine().execution_options(**{WRITES: True}).begin() as connection:
        columns = "run_id, stage, case_id, number, status, seconds, message, output, recorded"
        statement = f"INSERT INTO attempts (key, {columns}) SELECT 'older', {columns} FROM attempts WHERE true"
        for _ in range(2):  # said twice, as by a task that is retried
            connection.execute(text(f"{statement} ON CONFLICT (key) DO NOTHING"))
    (case,) = records.cases("r").items
    old = [row for row in records.attempts("r", case.id) if row.key == "older"]
    assert [(row.started, row.worker, row.reused) for row in old] == [(0.0, "", False)] and case.attempts == 2


def test_rows_survive_the_way_to_the_first_version_and_back(database: str) -> None:
    from alembic import command

    records.open_run("r", "p", "release")
    records.record_attempts("r", "tests.unit", [attempt("test_add"), attempt("test_pay")])
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    for way, version in ((command.downgrade, "0001"), (command.upgrade, HEAD)):
        with engine().execution_options(**{WRITES: True}).begin() as connection:
            config.attributes["connection"] = connection
            way(config, version)
    assert [case.name for case in records.cases("r").items] == ["test_add", "test_pay"]


def test_processes_that_start_at_once_all_find_the_schema(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/records.db"
    processes = [Writer(only_a_run, url, number) for number in range(4)]
    assert [process.end() for process in processes] == [(0, [])] * 4
    found = unchecked(records_url(url))
    with found.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM runs")).scalar() == 4
        assert current(connection) == HEAD
    found.dispose()


def test_an_up_to_date_sqlite_opens_with_three_questions_and_without_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/records.db"
    records.migrate(url)
    code = """
import sys
from sqlalchemy import Engine, event
said = []
event.listen(Engine, "before_cursor_execute", lambda _, __, statement, *___: said.append(statement))
from records.engine import engine
engine()
print(len(said), "alembic" in sys.modules)
"""
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, env={"TES_DATABASE_URL": url}, capture_output=True, text=True, check=True)
    # Is there a table of versions (SQLite asks twice), and which version does it hold.
    assert told.stdout.split() == ["3", "False"]


@pytest.mark.requires("postgres")
def test_postgresql_migrates_when_asked(empty_postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TES_DATABASE_URL", empty_postgres)
    with pytest.raises(Unavailable) as told:
        records.open_run("r", "p", "release")
    assert "schema version none" in str(told.value) and "python -m records migrate" in told.value.fix
    assert records.migrate() is None
    assert records.migrate() == HEAD
    records.open_run("r", "p", "release")


def test_a_migration_that_breaks_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from alembic import op

    def full(*_: object, **__: object) -> None:
        raise OSError("disk full")

    url = f"sqlite:///{tmp_path}/records.db"
    monkeypatch.setattr(op, "execute", full)
    with pytest.raises(OSError, match="disk full"):
        records.migrate(url)
    monkeypatch.undo()
    found = unchecked(records_url(url))
    with found.connect() as connection:
        assert inspect(connection).get_table_names() == []
    found.dispose()
    assert records.migrate(url) is None


def test_a_newer_schema_is_used_as_it_is(database: str) -> None:
    """An old release runs beside a new one, and is rolled back to."""
    with engine().execution_options(**{WRITES: True}).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    records.close()
    records.open_run("r", "p", "release")
    assert records.migrate() == "9999"
    assert len(records.runs().items) == 1


def test_sqlite_keeps_what_it_commits_and_waits_its_turn(tmp_path: Path) -> None:
    found = engine(f"sqlite:///{tmp_path}/records.db")
    with found.connect() as connection:
        told = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert told == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30000}
    records.close()
