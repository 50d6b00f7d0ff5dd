"""The audit log can be added to and nothing else, and says so when somebody found a way."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

import records
from records.__main__ import main
from records.engine import WRITES, engine
from records.tables.audit_entry import GENESIS


@pytest.fixture(autouse=True)
def _three_entries(database: str) -> None:
    for number in range(3):
        records.audit("eve", "release.promote", f"checkout v{number}", {"z": number, "a": ["ü", None]})


def _execute(*statements: str) -> None:
    with engine().execution_options(**{WRITES: True}).begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def _unseal() -> None:
    if engine().dialect.name == "sqlite":
        _execute(*(f"DROP TRIGGER audit_entries_no_{deed}" for deed in ("update", "delete", "replace")))
    else:
        _execute("DROP TRIGGER audit_entries_append_only ON audit_entries")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET actor = 'ann'",
        "UPDATE audit_entries SET actor = 'ann' WHERE id = 2",
        "DELETE FROM audit_entries",
        "DELETE FROM audit_entries WHERE id = 3",
    ],
)
def test_the_database_refuses_to_change_or_delete_an_entry(statement: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"):
        _execute(statement)
    assert records.verify_chain().entries == 3


def test_the_database_refuses_to_replace_an_entry() -> None:
    replace = (
        "INSERT OR REPLACE INTO audit_entries SELECT id, at, 'ann', action, subject, detail, prev_hash, hash "
        "FROM audit_entries WHERE id = 2"
        if engine().dialect.name == "sqlite"
        else "TRUNCATE audit_entries"
    )
    with pytest.raises(DatabaseError, match="append-only"):
        _execute(replace)
    assert [entry.actor for entry in records.audit_entries().items] == ["eve"] * 3


def test_a_whole_chain_says_so_and_where_it_ends() -> None:
    chain = records.verify_chain()
    entries = records.audit_entries().items
    assert chain.whole and (chain.entries, chain.head) == (3, entries[0].hash)
    assert entries[-1].prev_hash == GENESIS and entries[-1].detail == '{"a":["\\u00fc",null],"z":0}'


@pytest.mark.parametrize(
    ("deed", "broken_at", "reason"),
    [
        ("UPDATE audit_entries SET actor = 'ann' WHERE id = 2", 2, "is not what was written"),
        ("UPDATE audit_entries SET detail = '{}' WHERE id = 3", 3, "is not what was written"),
        ("DELETE FROM audit_entries WHERE id = 2", 2, "entry 2 is missing"),
        ("UPDATE audit_entries SET prev_hash = 'x' WHERE id = 3", 3, "does not follow"),
        ("DELETE FROM audit_entries WHERE id = 1", 1, "entry 1 is missing"),
    ],
)
def test_a_deed_behind_the_triggers_is_seen(deed: str, broken_at: int, reason: str) -> None:
    _unseal()
    _execute(deed)
    chain = records.verify_chain()
    assert not chain.whole and chain.broken_at == broken_at and reason in chain.reason
    assert main(["verify"]) == 1


def test_an_end_that_was_cut_off_is_seen_by_whoever_kept_the_last_hash() -> None:
    kept = records.audit("eve", "release.promote", "checkout v9")
    assert records.verify_chain(kept).whole
    _unseal()
    _execute("DELETE FROM audit_entries WHERE id = 4")
    assert records.verify_chain().whole
    chain = records.verify_chain(kept)
    assert not chain.whole and "cut off" in chain.reason


def test_pages_of_the_log_go_backwards() -> None:
    page = records.audit_entries(limit=2)
    assert [entry.id for entry in page.items] == [3, 2] and page.next == "2"
    assert [entry.id for entry in records.audit_entries(after=2).items] == [1]
