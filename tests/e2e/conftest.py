"""One runtime for all end-to-end tests; each test has a service of its own on it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.driver import Tes, copy_of_checkout

_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def tes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tes]:
    """The command, on a home whose runtime and services are stopped after the last of these tests."""
    command = Tes(tmp_path_factory.mktemp("e2e") / "home")
    yield command
    command.run("down", "--all")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of examples/checkout under a name of its own; the name is the folder's."""
    name = f"shop-{next(_numbers)}"
    return copy_of_checkout(tmp_path / name, name)
