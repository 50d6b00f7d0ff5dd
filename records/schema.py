"""The schema's version: read directly, so that opening an up-to-date database costs one query. Alembic is imported only
when there is something to migrate.

SQLite migrates by itself. PostgreSQL is shared, so it migrates when somebody asks (`python -m records migrate`). A
database that is newer than this code is used as it is: migrations stay compatible with the release before, which is
what lets an old release keep running beside a new one and be rolled back to.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DatabaseError, InterfaceError

from domain.errors import Unavailable
from records.engine import WRITES, unavailable, unchecked
from records.url import records_url, shown

HEAD = "0005"
MIGRATIONS = Path(__file__).parent / "migrations"
# Any number will do, as long as nobody else in the database locks the same one.
_ADVISORY_LOCK = 0x7E5_0001


def migrate(url: str | None = None) -> str | None:
    """Bring the schema to HEAD; safe from several processes at once, and all or nothing. The version it had before;
    None for an empty database. Unavailable when the database does not answer."""
    engine = unchecked(records_url(url))
    try:
        return _upgrade(engine)
    finally:
        engine.dispose()


def ensure(engine: Engine) -> None:
    """Make sure that the schema can be used: an old SQLite is migrated, an old PostgreSQL is Unavailable."""
    try:
        with engine.connect() as connection:
            version = current(connection)
    except (DatabaseError, InterfaceError) as error:
        raise unavailable(error, engine.url) from error
    if version is not None and int(version) >= int(HEAD):
        return
    if engine.dialect.name == "sqlite":
        _upgrade(engine)
        return
    raise Unavailable(
        f"the records at {shown(engine.url)} have schema version {version or 'none'}, and {HEAD} is needed",
        fix="run: python -m records migrate",
    )


def current(connection: Connection) -> str | None:
    """The version a database is at; None when it has no schema."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _upgrade(engine: Engine) -> str | None:
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    try:
        with engine.execution_options(**{WRITES: True}).begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            # Asked again behind the lock: another process may have been first.
            version = current(connection)
            if version is None or int(version) < int(HEAD):
                config.attributes["connection"] = connection
                command.upgrade(config, HEAD)
            return version
    except (DatabaseError, InterfaceError) as error:
        raise unavailable(error, engine.url) from error
