"""What on-call may type, and what is refused before anything is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.rollback import rollback
from domain.errors import SpecError
from settings import settings


@pytest.mark.parametrize(
    ("service", "environment"), [("../../etc", "production"), ("shop", "../x"), ("", "production"), ("shop", "a b")]
)
def test_a_name_that_could_be_a_path_is_refused(tmp_path: Path, service: str, environment: str) -> None:
    with pytest.raises(SpecError, match="cannot be a name"):
        rollback(tmp_path, environment, service, None)


def test_a_slip_in_a_name_leaves_nothing_behind(tmp_path: Path, tes_home: Path) -> None:
    with pytest.raises(SpecError, match="nothing was ever released"):
        rollback(tmp_path, "production", "chekout", None)
    assert not (settings().state / "environments").exists()
