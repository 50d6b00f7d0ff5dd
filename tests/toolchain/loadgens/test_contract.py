"""Adding a load generator is adding a file; this tells what has to come with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolchain.registry import known, module

FIXTURES = Path(__file__).with_name("fixtures")
GENERATORS = known("toolchain.loadgens")


def test_the_generators_of_the_model_are_there() -> None:
    assert {"k6", "locust"} <= set(GENERATORS)


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_fulfils_its_protocol_and_has_recorded_reports(name: str) -> None:
    generator = module("toolchain.loadgens", name)
    assert isinstance(generator.TOOL, str) and isinstance(generator.RUNS_SCRIPTS, bool)
    assert callable(generator.command) and callable(generator.parse)
    for case in ("clean", "failing", "dropped"):
        recorded = FIXTURES / name / f"{case}.json"
        assert recorded.is_file(), f"{recorded.relative_to(FIXTURES.parents[3])} is missing: a report of the real tool"
