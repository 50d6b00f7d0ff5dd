"""What was released to staging reaches production as it is, whatever became of the files since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.e2e.driver import Tes, get
from tests.e2e.tiny import change, tiny


def digest(report: dict[str, Any]) -> str:
    (found,) = [stage["payload"]["artifact"]["digest"] for stage in report["stages"] if stage["name"] == "build"]
    return str(found)


def test_a_version_goes_from_staging_to_production_as_the_same_digest(tes: Tes, tmp_path: Path) -> None:
    project = tiny(tmp_path / "promoted", "promoted")
    spec = project / "tes.yaml"
    spec.write_text(spec.read_text() + "  production: {verify: {bake: 500ms, smoke: [{path: /, status: 200}]}}\n")
    staging = tes.run("deploy", str(project), "-e", "staging", "--version", "v1.0.0", "--json")
    assert staging.code == 0, staging.err + staging.out
    change(project, "two")
    words = ("deploy", str(project), "-e", "production", "--version", "v1.0.0", "--yes", "--json")
    production = tes.run(*words)
    assert production.code == 0, production.err + production.out
    assert digest(production.report) == digest(staging.report)
    assert get(production.report["address"])[1] == "one"
    again = tes.run("release", str(project), "-e", "production", "--version", "v1.0.0", "--yes", "--json")
    assert again.code == 1 and digest(staging.report) in again.report["decision"]["reasons"][0], again.out
    assert get(production.report["address"])[1] == "one"
