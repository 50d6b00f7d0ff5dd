"""Models and migrations agree, and a database gets its schema once, whoever comes first."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from struct import Struct

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlmodel import SQLModel

import records
import records.tables
from domain.cases import Attempt, Status
from domain.errors import Rejected, Unavailable
from records.engine import WRITES, engine, unchecked
from records.schema import HEAD, MIGRATIONS, current
from records.session import writing
from records.tables.case import case_key
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

    _go(command.downgrade, "base")
    with engine().connect() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
    assert records.migrate() is None
    records.open_run("r", "p", "release")


def _go(way: Callable[[Config, str], None], version: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine().execution_options(**{WRITES: True}).begin() as connection:
        config.attributes["connection"] = connection
        way(config, version)


def _key_of_0003(run: str, stage: str, case_id: str, made: Attempt) -> str:
    """As version 0003 composed it."""
    numbers = Struct("<ddq??q").pack(made.seconds, made.started, made.number, False, False, len(made.message))
    said = "\0".join((run, stage, case_id, made.status, made.worker, made.message, made.output))
    return f"{int(made.started * 1e6):013x}" + blake2b(said.encode() + numbers, digest_size=10).hexdigest()


def test_what_version_0003_recorded_is_read_as_before_and_is_not_doubled(database: str) -> None:
    """Attempts of two runs and stages, a retry, a case in quarantine: recorded again after the migration, all of it is
    there once."""
    from alembic import command

    for run in ("r1", "r2"):
        records.open_run(run, "checkout", "release")
    _go(command.downgrade, "0003")
    at = "2026-11-20 10:00:00.25+00:00" if database.startswith("postgres") else "2026-11-20 10:00:00.250000"
    told = {"worker": "gw1", "message": "assert 1 == \u00fc", "output": "said"}
    bad = attempt("test_add", Status.FAILED).model_copy(update={"started": 1_795_000_000.5, **told})
    good = attempt("test_add", number=2).model_copy(update={"started": 1_795_000_001.0})
    made = [(run, stage, one) for run in ("r1", "r2") for stage in ("tests.unit", "tests.smoke") for one in (bad, good)]
    case_id = case_key("checkout", bad.case)
    with engine().execution_options(**{WRITES: True}).begin() as connection:
        connection.execute(
            text("INSERT INTO cases VALUES (:id, 'checkout', 'unit', :file, 'TestCart', 'test_add', :at)"),
            {"id": case_id, "file": bad.case.file, "at": at},
        )
        columns = "key, run_id, stage, case_id, number, status, seconds, message, output, recorded, started, worker"
        values = ", ".join(":" + name for name in columns.split(", "))
        for run, stage, one in made:
            row = one.model_dump(exclude={"case"}) | {"run_id": run, "stage": stage, "case_id": case_id, "recorded": at}
            row |= {"key": _key_of_0003(run, stage, case_id, one), "status": one.status.value}
            connection.execute(text(f"INSERT INTO attempts ({columns}) VALUES ({values})"), row)
        connection.execute(
            text(
                "INSERT INTO quarantines (case_id, project, owner, reason, issue, automatic, added, until)"
                " VALUES (:id, 'checkout', 'ann', 'flaky', '', false, :at, '2999-01-01 00:00:00')"
            ),
            {"id": case_id, "at": at},
        )
    records.close()
    assert records.migrate() == "0003"
    for again in range(2):
        for run in ("r1", "r2"):
            results = records.cases(run).items
            assert [(one.id, one.stage, one.attempts, one.flaky) for one in results] == [
                (case_id, "tests.smoke", 2, True),
                (case_id, "tests.unit", 2, True),
            ]
            first, _ = [one for one in records.attempts(run, case_id) if one.stage == "tests.unit"]
            assert (first.worker, first.message, first.output, first.started) == (*told.values(), 1_795_000_000.5)
            assert first.recorded == datetime(2026, 11, 20, 10, 0, 0, 250_000, UTC)
            for stage in ("tests.unit", "tests.smoke"):
                records.record_attempts(run, stage, [bad, good])
    assert [held.entry.case for held in records.quarantines("checkout")] == [bad.case]
    with pytest.raises(Rejected):  # the quarantine still belongs to its case
        with writing() as session:
            session.connection().execute(text("DELETE FROM cases"))


def test_a_migration_that_would_lose_an_attempt_changes_nothing(database: str) -> None:
    from alembic import command

    records.open_run("r", "p", "release")
    records.record_attempts("r", "tests.unit", [attempt("test_add")])
    _go(command.downgrade, "0003")
    with engine().execution_options(**{WRITES: True}).begin() as connection:
        connection.execute(text("DELETE FROM cases"))
    records.close()
    with pytest.raises(RuntimeError, match="1 rows of attempts would become 0"):
        records.migrate()
    found = unchecked(records_url(database))
    with found.connect() as connection:
        assert current(connection) == "0003"
        assert connection.execute(text("SELECT count(run_id) FROM attempts")).scalar() == 1
    found.dispose()


def test_rows_survive_the_way_to_the_first_version_and_back(database: str) -> None:
    from alembic import command

    records.open_run("r", "p", "release")
    records.record_attempts("r", "tests.unit", [attempt("test_add"), attempt("test_pay")])
    _go(command.downgrade, "0001")
    _go(command.upgrade, HEAD)
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
