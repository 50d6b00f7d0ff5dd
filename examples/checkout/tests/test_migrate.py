from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from checkout import migrate, store


def test_a_second_migration_changes_nothing() -> None:
    assert len(migrate.migrate()) == len(migrate.migrations())
    assert migrate.migrate() == []


def test_migrations_that_run_at_once_apply_each_file_once() -> None:
    with ThreadPoolExecutor(4) as pool:
        applied = [name for names in pool.map(lambda _: migrate.migrate(), range(4)) for name in names]
    assert sorted(applied) == [name for _, name, _ in migrate.migrations()]


def test_a_migration_that_fails_leaves_the_database_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    good = migrate.migrations()
    monkeypatch.setattr(migrate, "migrations", lambda: [*good, (9999, "9999_bad", "CREATE TABLE x (a);\nnonsense;")])
    with pytest.raises(Exception, match="syntax error"):
        migrate.migrate()
    with store.connect() as connection:
        assert store.schema_number(connection) == 0


def test_the_release_before_can_still_take_orders() -> None:
    migrate.migrate()
    with store.connect() as connection:
        connection.execute("INSERT INTO orders (customer, total_cents) VALUES ('old release', 1)")


def test_numbers_are_unique_and_rise() -> None:
    numbers = [number for number, _, _ in migrate.migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
