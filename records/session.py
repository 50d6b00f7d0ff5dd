"""Sessions: one transaction each, errors told as the domain's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.exc import DatabaseError, DataError, IntegrityError, InterfaceError
from sqlmodel import Session

from domain.errors import Rejected
from records.engine import WRITES, engine, unavailable
from records.url import records_url


@contextmanager
def reading(url: str | None = None) -> Iterator[Session]:
    """A session that sees one moment of the records. Rows stay usable after it. Unavailable when it breaks."""
    with _session(url, writes=False) as session:
        yield session


@contextmanager
def writing(url: str | None = None) -> Iterator[Session]:
    """A session whose work is committed at the end, or not at all.

    Unavailable when the database does not answer; Rejected when a row belongs to something that is not recorded.
    """
    with _session(url, writes=True) as session:
        yield session


def ping(url: str | None = None) -> None:
    """Ask the records something. Unavailable, with the reason, when they do not answer."""
    with reading(url) as session:
        session.connection().execute(text("SELECT version_num FROM alembic_version")).one()


@contextmanager
def _session(url: str | None, *, writes: bool) -> Iterator[Session]:
    bind = engine(url).execution_options(**{WRITES: writes})
    try:
        with Session(bind, expire_on_commit=False) as session, session.begin():
            yield session
    except IntegrityError as error:
        raise Rejected(
            f"the records refuse a row: {str(error.orig).strip().splitlines()[0]}",
            fix="record the run (open_run) or the rollout (record_rollout) before what belongs to it",
        ) from error
    except DataError:
        raise  # a value that fits no column is a bug of ours, and no reason to check the database
    except (DatabaseError, InterfaceError) as error:
        raise unavailable(error, records_url(url)) from error
