"""The system's main job: a good revision reaches its environment, a bad one never does or goes back by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import Tes, break_it, get

STOPPED_BY = {
    "failing-test": ("tests.unit", "first bad: tests/test_pricing.py"),
    "hardcoded-secret": ("scan.detect_secrets", "checkout/settings.py:8"),
    "slow-endpoint": ("load", "300 ms"),
    "never-healthy": ("deploy", "not healthy"),
    "errors-after-promotion": ("verify", "500"),
}


def reasons(report: dict[str, Any], stage: str) -> str:
    return "; ".join(next(s["verdict"]["reasons"] for s in report["stages"] if s["name"] == stage))


def test_a_good_revision_is_released_and_an_unchanged_one_is_only_verified(tes: Tes, project: Path) -> None:
    first = tes.run("release", str(project), "-e", "staging", "--json")
    assert first.code == 0, first.err + first.out
    assert first.outcomes()["tests.unit"] == first.outcomes()["load"] == first.outcomes()["verify"] == "PASS"
    status, body = get(first.report["address"] + "/products")
    assert (status, "coffee" in body) == (200, True)

    second = tes.run("release", str(project), "-e", "staging", "--json")
    assert second.code == 0, second.err + second.out
    assert set(second.outcomes()) - second.reused() == {"verify"}
    assert second.report["version"] == first.report["version"]


def test_each_break_is_stopped_where_it_should_be_and_production_keeps_the_old_release(tes: Tes, project: Path) -> None:
    good = tes.run("release", str(project), "-e", "production", "--json")
    assert good.code == 0, good.err + good.out
    code = {path: path.read_bytes() for path in project.rglob("*.py")}
    for name, (stage, told) in STOPPED_BY.items():
        break_it(project, name)
        bad = tes.run("release", str(project), "-e", "production", "--json")
        assert (name, bad.code) == (name, 1), bad.err + bad.out
        assert bad.outcomes()[stage] == "FAIL", bad.out
        assert told in reasons(bad.report, stage)
        earlier = [s["name"] for s in bad.report["stages"] if s["verdict"]["outcome"] == "FAIL"]
        assert {n.partition(".")[0] for n in earlier} <= {stage.partition(".")[0], "deploy"}
        version, address = tes.stable(project.name, "production")
        assert version == good.report["version"]
        assert get(address + "/products")[0] == 200
        for path, text in code.items():
            path.write_bytes(text)


def test_a_rollback_needs_neither_the_prefect_server_nor_the_records(tes: Tes, project: Path) -> None:
    one = tes.run("deploy", str(project), "-e", "staging", "--version", "v1", "--json")
    two = tes.run("deploy", str(project), "-e", "staging", "--version", "v2", "--json")
    assert (one.code, two.code) == (0, 0), one.err + two.err
    cut_off = Tes(
        tes.home,
        {
            "TES_DATABASE_URL": "postgresql://nobody:secret-word@127.0.0.1:9/none",
            "TES_PREFECT_API_URL": "http://127.0.0.1:9/api",
        },
    )
    back = cut_off.run("rollback", str(project), "--environment", "staging", "--json")
    assert back.code == 0, back.err + back.out
    assert back.report["version"].startswith("v1.")
    assert any("not in the records" in line for line in back.report["decision"]["advice"])
    assert "secret-word" not in back.out + back.err
    assert tes.stable(project.name, "staging")[0] == one.report["version"]

    again = cut_off.run("rollback", str(project), "-e", "staging", "--to", "v2", "--json")
    assert again.code == 0, again.err + again.out
    assert tes.stable(project.name, "staging")[0] == two.report["version"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("release", "{project}", "-e", "moon"), "no environment 'moon'"),
        (("release", "/nowhere-at-all"), "is not there"),
        (("release", "{project}", "--ref", "no-such-ref"), "no-such-ref"),
        (("release", "{project}", "--from", "lunch"), "invalid choice: 'lunch'"),
        (("rollback", "{project}", "-e", "staging"), "no earlier release"),
        (("show", "no-such-run"), "no run no-such-run"),
        (("relase",), "invalid choice"),
    ],
)
def test_a_mistake_is_one_clear_error_and_exit_code_3(
    tes: Tes, project: Path, words: tuple[str, ...], told: str
) -> None:
    answer = tes.run(*(word.replace("{project}", str(project)) for word in words))
    assert answer.code == 3, answer.err + answer.out
    assert told in answer.err
    assert "fix:" in answer.err
    assert "Traceback" not in answer.err + answer.out
