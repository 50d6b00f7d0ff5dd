"""What impact selection remembers of one suite of one project: a SQLite file, written in one transaction a run.

It is read before a person's tests start, hence no SQLAlchemy. A file of another version, or a broken one, is an empty
one: then everything runs and is recorded anew.
"""

from __future__ import annotations

import array
import contextlib
import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from domain.impact import Kind, Memory, Node, Stored

VERSION = 2
# Stand for every file of the project, which a process may read, and for another machine.
ANYTHING, REMOTE = "*", "!"
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE file (
    path TEXT PRIMARY KEY, kind TEXT NOT NULL, size INT NOT NULL, mtime_ns INT NOT NULL, inode INT NOT NULL,
    digest TEXT NOT NULL, mentions TEXT NOT NULL, places TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE node (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL, key TEXT NOT NULL, kind INT NOT NULL, digest TEXT NOT NULL,
    UNIQUE (path, key));
CREATE TABLE call (caller INT NOT NULL, callee INT NOT NULL, PRIMARY KEY (caller, callee)) WITHOUT ROWID;
CREATE TABLE uses (name TEXT NOT NULL, node INT NOT NULL, PRIMARY KEY (name, node)) WITHOUT ROWID;
CREATE TABLE cached (name TEXT NOT NULL, node INT NOT NULL, PRIMARY KEY (name, node)) WITHOUT ROWID;
CREATE TABLE alias (path TEXT NOT NULL, name TEXT NOT NULL, other TEXT NOT NULL);
CREATE TABLE module (name TEXT PRIMARY KEY, path TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE needs (id INTEGER PRIMARY KEY, nodes BLOB NOT NULL UNIQUE);
CREATE TABLE tested (
    id TEXT PRIMARY KEY, file TEXT NOT NULL, classname TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL,
    seconds REAL NOT NULL, message TEXT NOT NULL, needs INT NOT NULL, anything INT NOT NULL, doubt TEXT NOT NULL,
    bad_before INT NOT NULL, place INT NOT NULL) WITHOUT ROWID;
"""


TABLES = ("meta", "file", "node", "call", "uses", "cached", "alias", "module", "needs", "tested")


class File(NamedTuple):
    """A watched file. `kind`: py, data, folder or setting. A digest of "" is that of a file that is not there, or
    changed while the tests ran: it is not what anything was recorded with. `mentions`: the absolute names of what a
    Python file imports, JSON. `places`: its blocks' `starts` and `spans`, JSON."""

    path: str
    kind: str
    size: int
    mtime_ns: int
    inode: int
    digest: str
    mentions: str = "[]"
    places: str = ""

    @property
    def stamp(self) -> tuple[int, int, int]:
        return self.size, self.mtime_ns, self.inode


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The store, made when it is not there. The block is one transaction: all of it is kept, or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            _make(connection)
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    finally:
        connection.close()


def reading(path: Path) -> sqlite3.Connection | None:
    """The store to read, or None when there is none of this version."""
    if not path.exists():
        return None
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] == VERSION:
            connection.execute("BEGIN")
            return connection
    except sqlite3.DatabaseError:
        connection.close()
        forget(path)
        return None
    connection.close()
    return None


def forget(path: Path) -> None:
    """Removes a store, whatever is in it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _make(connection: sqlite3.Connection) -> None:
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for name in names:
        connection.execute(f'DROP TABLE "{name}"')
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def meta(connection: sqlite3.Connection) -> dict[str, Any]:
    """Facts of the last run: conditions, what the runner takes for a test file, ..."""
    return {key: json.loads(value) for key, value in connection.execute("SELECT key, value FROM meta")}


def set_meta(connection: sqlite3.Connection, values: Mapping[str, Any]) -> None:
    rows = [(key, json.dumps(value)) for key, value in values.items()]
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)


def files(connection: sqlite3.Connection) -> dict[str, File]:
    """Every watched file, by its path from the root."""
    return {row[0]: File(*row) for row in connection.execute("SELECT * FROM file")}


def put_files(connection: sqlite3.Connection, found: Iterable[File], gone: Iterable[str] = ()) -> None:
    connection.executemany("DELETE FROM file WHERE path = ?", [(path,) for path in gone])
    connection.executemany("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?)", found)


def cases(connection: sqlite3.Connection) -> list[Stored]:
    """Every case with its last result."""
    columns = "id, file, classname, name, status, seconds, message, needs, anything, doubt, bad_before"
    return [
        Stored(case, file, part, name, status, seconds, message, needs, bool(anything), doubt, bool(bad))
        for case, file, part, name, status, seconds, message, needs, anything, doubt, bad in connection.execute(
            f"SELECT {columns} FROM tested ORDER BY place"
        )  # noqa: S608 (columns of ours)
    ]


def modules(connection: sqlite3.Connection) -> dict[str, str]:
    """Dotted name → path of each of the project's modules that was seen imported."""
    return dict(connection.execute("SELECT name, path FROM module"))


def nodes(connection: sqlite3.Connection) -> dict[int, Node]:
    return {
        number: Node(path, key, Kind(kind), digest)
        for number, path, key, kind, digest in connection.execute("SELECT * FROM node")
    }


def memory(
    connection: sqlite3.Connection, imports: Mapping[str, frozenset[str]], known: Collection[Stored], all_nodes: bool
) -> Memory:
    """All of it as the pure side wants it; without nodes and calls when nothing changed."""
    if not all_nodes:
        return Memory({}, cases=known)
    facts = meta(connection)
    return Memory(
        nodes=nodes(connection),
        calls=connection.execute("SELECT caller, callee FROM call").fetchall(),
        imports=imports,
        sets={number: unpacked(blob) for number, blob in connection.execute("SELECT id, nodes FROM needs")},
        everyone=facts.get("everyone", ()),
        cases=known,
        apart=facts.get("apart", ()),
    )


def packed(numbers: Iterable[int]) -> bytes:
    """A set of node numbers, equal for equal sets."""
    return array.array("I", sorted(set(numbers))).tobytes()


def unpacked(blob: bytes) -> array.array[int]:
    found = array.array("I")
    found.frombytes(blob)
    return found
