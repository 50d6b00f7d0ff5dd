"""What on-call may type, and what is refused before anything is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.rollback import rollback
from domain.errors import SpecError


@pytest.mark.parametrize(
    ("service", "environment"), [("../../etc", "production"), ("shop", "../x"), ("", "production"), ("shop", "a b")]
)
def test_a_name_that_could_be_a_path_is_refused(tmp_path: Path, service: str, environment: str) -> None:
    with pytest.raises(SpecError, match="cannot be a name"):
        rollback(tmp_path, environment, service, None)
