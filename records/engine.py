"""Engines: one a URL and process, set up so that several processes can write at once and none loses anything.

SQLite runs in WAL mode with full synchronisation: a commit survives the machine. A transaction that will write begins
with the write lock (BEGIN IMMEDIATE); one that upgraded later would fail at once, without waiting its turn.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL

from domain.errors import CapabilityError, Unavailable
from records.url import records_url, shown

BUSY_SECONDS = 30.0
CONNECT_SECONDS = 5
WRITES = "tes_writes"

_engines: dict[tuple[int, str], Engine] = {}
_lock = threading.Lock()


def engine(url: str | None = None) -> Engine:
    """The engine of the records, its schema brought up to date first. Unavailable when it does not answer."""
    from records.schema import ensure  # schema needs engines that are not yet checked

    at = records_url(url)
    key = (os.getpid(), at.render_as_string(hide_password=False))  # a connection does not survive a fork
    found = _engines.get(key)
    if found is not None:
        return found
    # Not behind the lock: of many threads that meet a database that does not answer, none waits for another.
    made = unchecked(at)
    try:
        ensure(made)
    except BaseException:
        made.dispose()
        raise
    with _lock:
        found = _engines.setdefault(key, made)
    if found is not made:
        made.dispose()
    return found


def unchecked(at: URL) -> Engine:
    """A new engine whose schema nobody looked at."""
    return _sqlite(at) if at.get_backend_name() == "sqlite" else _postgresql(at)


def close() -> None:
    """Close every connection of this process. The next use opens new ones."""
    with _lock:
        for (pid, _), found in list(_engines.items()):
            found.dispose(close=pid == os.getpid())
        _engines.clear()


def _postgresql(at: URL) -> Engine:
    try:
        return create_engine(
            at, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "tes"}
        )
    except ImportError:
        raise CapabilityError(
            "PostgreSQL records need the driver psycopg, which is not installed",
            fix="pip install 'test-execution-system[postgres]'",
        ) from None


def _sqlite(at: URL) -> Engine:
    folder = Path(at.database or "").absolute().parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"the folder of the records cannot be made: {folder}: {error.strerror}",
            fix="set TES_HOME or TES_DATABASE_URL to a place that can be written",
        ) from None
    made = create_engine(at, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})

    @event.listens_for(made, "connect")
    def _set_up(raw: Any, _record: Any) -> None:
        raw.isolation_level = None  # the driver's own transactions know no BEGIN IMMEDIATE
        # Of a new database only: a batch of rows changes fewer, fuller pages than with 4096 (a sixth less time).
        raw.execute("PRAGMA page_size=8192")
        _wal(raw)
        raw.execute("PRAGMA foreign_keys=ON")
        raw.execute("PRAGMA synchronous=FULL")
        # Indexes of a large history fit into the cache (32 MB, taken as needed), so that a batch reads no page twice.
        raw.execute("PRAGMA cache_size=-32768")

    @event.listens_for(made, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return made


def _wal(raw: sqlite3.Connection) -> None:
    # Turning WAL on does not wait for the lock as statements do, so two processes that start at once must try again.
    deadline = time.monotonic() + BUSY_SECONDS
    while raw.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            raw.execute("PRAGMA journal_mode=WAL")
            return  # a file system without shared memory stays in its own mode, which is slower and as safe
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def unavailable(error: Exception, at: URL) -> Unavailable:
    """What a database's error means to a person."""
    said = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
    if at.get_backend_name() == "sqlite":
        fix = "check that the file and its folder can be written, that the disk has room, and that no program holds it"
    else:
        fix = "check that PostgreSQL runs, and host, user, password and database in TES_DATABASE_URL"
    return Unavailable(f"the records at {shown(at)} cannot be used: {said[0]}", fix=fix)
