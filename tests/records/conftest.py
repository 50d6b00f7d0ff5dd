"""Every test of the records runs on both databases: take the fixture `database`, and the test is two."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy

import records
from records.url import records_url
from tests.records.postgres import server


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a server's database `postgres`; its database `migrated` has the schema and nothing else."""
    # Not below pytest's folder: every session closes that to other users, and PostgreSQL is one when we are root.
    with tempfile.TemporaryDirectory(prefix="tes-postgres-") as folder, server(Path(folder)) as url:
        _create(url, "migrated")
        records.migrate(_named(url, "migrated"))
        yield url


@pytest.fixture
def empty_postgres(postgres: str) -> Iterator[str]:
    """The URL of a database without a schema."""
    name = f"t{uuid.uuid4().hex}"
    _create(postgres, name)
    yield _named(postgres, name)
    records.close()
    _execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.requires("postgres"))])
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Records of this test alone, named by TES_DATABASE_URL; its URL."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/records.db"
        monkeypatch.setenv("TES_DATABASE_URL", url)
        yield url
        records.close()
        return
    server_url = request.getfixturevalue("postgres")
    name = f"t{uuid.uuid4().hex}"
    _execute(server_url, f"CREATE DATABASE {name} TEMPLATE migrated")
    url = _named(server_url, name)
    monkeypatch.setenv("TES_DATABASE_URL", url)
    yield url
    records.close()
    _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def _named(url: str, name: str) -> str:
    return records_url(url).set(database=name).render_as_string(hide_password=False)


def _create(url: str, name: str) -> None:
    _execute(url, f"CREATE DATABASE {name}")


def _execute(url: str, statement: str) -> None:
    engine = sqlalchemy.create_engine(records_url(url), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(statement))
    finally:
        engine.dispose()
