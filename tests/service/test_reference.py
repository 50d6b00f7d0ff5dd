"""The reference pages name what there is, all of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlmodel import SQLModel

import records
from records.url import records_url
from service.app import app


@pytest.mark.parametrize("path", sorted(app.openapi()["paths"]))
def test_every_route_is_in_the_reference(path: str, root: Path) -> None:
    shown = path.replace("{run_id}", "{id}").replace("{rollout_id}", "{id}").replace("{case_id}", "{case}")
    assert f"`{shown}`" in (root / "docs/reference/service.md").read_text()


@pytest.mark.parametrize("table", sorted(SQLModel.metadata.tables))
def test_every_table_is_in_the_reference(table: str, root: Path) -> None:
    assert f"| `{table}` |" in (root / "docs/reference/records.md").read_text()


@pytest.mark.parametrize("name", sorted(set(records.__all__) - {name for name in records.__all__ if name[0].isupper()}))
def test_every_function_is_in_the_reference(name: str, root: Path) -> None:
    text = (root / "docs/reference/records.md").read_text()
    assert f"`{name}`" in text or f"`{name}(" in text


def test_the_spellings_of_a_url_that_the_reference_gives_are_understood(root: Path) -> None:
    text = (root / "docs/reference/records.md").read_text()
    for scheme in ("postgresql", "postgres", "postgresql+psycopg"):
        assert f"`{scheme}://" in text
        assert records_url(f"{scheme}://u@h/d").get_backend_name() == "postgresql"
