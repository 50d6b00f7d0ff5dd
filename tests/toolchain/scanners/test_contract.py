"""Adding a scanner is adding a file; this tells what has to come with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolchain.registry import known, module

FIXTURES = Path(__file__).with_name("fixtures")
SCANNERS = known("toolchain.scanners")


def test_the_scanners_of_the_shipped_configuration_are_there() -> None:
    assert {"bandit", "detect_secrets", "pip_audit", "trivy"} <= set(SCANNERS)


@pytest.mark.parametrize("name", SCANNERS)
def test_a_scanner_fulfils_its_protocol_and_has_recorded_reports(name: str) -> None:
    scanner = module("toolchain.scanners", name)
    assert isinstance(scanner.TOOL, str) and callable(scanner.command) and callable(scanner.parse)
    for case in ("findings", "clean"):
        recorded = FIXTURES / name / f"{case}.json"
        assert recorded.is_file(), f"{recorded.relative_to(FIXTURES.parents[3])} is missing: a report of the real tool"
