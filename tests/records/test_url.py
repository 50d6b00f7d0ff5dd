"""Where the records are is understood or refused clearly, and no password is ever shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import records
from domain.errors import SpecError, TesError, Unavailable
from records.__main__ import main
from records.url import records_url, shown

PASSWORD = "s3cr3t-pw"


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("postgresql://u@h/d", "postgresql+psycopg"),
        ("postgres://u@h/d", "postgresql+psycopg"),
        ("postgresql+psycopg://u@h/d", "postgresql+psycopg"),
        ("sqlite:////tmp/x.db", "sqlite"),
    ],
)
def test_usual_spellings_are_understood(text: str, driver: str) -> None:
    assert records_url(text).drivername == driver


@pytest.mark.parametrize(
    "text",
    [
        f"mysql://u:{PASSWORD}@h/d",
        f"postgresql+asyncpg://u:{PASSWORD}@h/d",
        f"u:{PASSWORD}@h",
        f"postgresql://u:{PASSWORD}@h:port/d",
        "sqlite://",
        "sqlite:///:memory:",
        "not a url",
    ],
)
def test_what_cannot_be_used_is_refused_with_the_fix_and_without_the_password(text: str) -> None:
    with pytest.raises(SpecError) as told:
        records_url(text)
    assert "TES_DATABASE_URL" in str(told.value) and told.value.fix and PASSWORD not in str(told.value)


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://u:{PASSWORD}@127.0.0.1:1/d",
        f"postgresql://u@127.0.0.1:1/d?password={PASSWORD}",
        f"postgresql://u@127.0.0.1:1/d?sslpassword={PASSWORD}",
    ],
)
def test_a_database_that_does_not_answer_is_unavailable_and_its_password_stays_hidden(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TES_DATABASE_URL", text)
    with pytest.raises(Unavailable) as told:
        records.open_run("r", "p", "release")
    assert "127.0.0.1" in str(told.value) and "fix:" in str(told.value) and PASSWORD not in str(told.value)
    assert PASSWORD not in shown(records_url(text))
    assert main(["migrate"]) == 4
    assert PASSWORD not in "".join(capsys.readouterr())


def _is_a_folder(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}"


def _is_no_database(tmp_path: Path) -> str:
    (tmp_path / "records.db").write_text("this is a text of some length that is no database at all" * 50)
    return f"sqlite:///{tmp_path}/records.db"


def _has_a_file_for_a_folder(tmp_path: Path) -> str:
    (tmp_path / "state").write_text("")
    return f"sqlite:///{tmp_path}/state/records.db"


@pytest.mark.parametrize("place", [_is_a_folder, _is_no_database, _has_a_file_for_a_folder])
def test_a_file_that_cannot_be_used_is_one_clear_error(
    place: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(place)
    monkeypatch.setenv("TES_DATABASE_URL", place(tmp_path))
    for attempt in (lambda: records.open_run("r", "p", "release"), records.migrate, records.runs):
        with pytest.raises(TesError) as told:
            attempt()
        assert str(tmp_path) in str(told.value) and told.value.fix
        assert isinstance(told.value, Unavailable)


def test_the_folder_of_the_records_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TES_DATABASE_URL", f"sqlite:///{tmp_path}/a/b/records.db")
    records.open_run("r", "p", "release")
    records.close()
    assert os.stat(tmp_path / "a/b").st_mode & 0o077 == 0


def test_without_a_url_the_records_are_in_the_home(tes_home: Path) -> None:
    records.open_run("r", "p", "release")
    records.close()
    assert (tes_home / "records.db").is_file()
