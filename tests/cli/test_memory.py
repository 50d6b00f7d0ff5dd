"""`tes flaky`, `tes slowest`, `tes quarantine` through the command, on what `tes test` has recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from domain.cases import Attempt, CaseId, Status
from domain.outcome import Outcome
from records import close, close_run, open_run, record_attempts

FLAKY = CaseId(suite="unit", file="test_a.py", name="test_flaky")
BROKEN = CaseId(suite="unit", file="test_a.py", name="test_broken")
LATER = (datetime.now(UTC) + timedelta(days=7)).strftime("%Y-%m-%d")
Tes = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def tes(tmp_path: Path, tes_home: Path) -> Tes:
    """The command in a project whose records know thirty runs: one case flakes, one has failed ever since run 20."""
    (tmp_path / "tes.yaml").write_text("name: shop\ntests:\n  suites: [{name: unit}]\n")
    (tmp_path / "test_a.py").write_text("def test_flaky(): assert 0\ndef test_good(): pass\ndef test_more(): pass\n")
    many = [CaseId(suite="unit", file="test_a.py", name=f"test_{n}") for n in range(30)]
    for number in range(30):
        open_run(f"run-{number}", "shop", "test", source_digest=f"sha256:{number // 10}")
        said = {FLAKY: number % 4 == 0, BROKEN: number >= 20, **dict.fromkeys(many, False)}
        record_attempts(
            f"run-{number}",
            "tests.unit",
            [
                Attempt(
                    case=case, status=Status.FAILED if bad else Status.PASSED, seconds=2.0 if case == FLAKY else 0.1
                )
                for case, bad in said.items()
            ],
        )
        close_run(f"run-{number}", Outcome.FAIL if any(said.values()) else Outcome.PASS, [])
    close()

    def run(*words: str) -> tuple[int, Any, str]:
        command = [sys.executable, "-m", "cli.main", *words]
        root = Path(__file__).resolve().parents[2]
        environment = {**os.environ, "PYTHONPATH": str(root), "TES_HOME": str(tes_home)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
        try:
            return done.returncode, json.loads(done.stdout), done.stderr
        except ValueError:
            return done.returncode, done.stdout, done.stderr

    return run


def test_what_flakes_is_told_from_what_is_broken_and_what_is_slow(tes: Tes) -> None:
    code, rows, _ = tes("flaky", "--json")
    assert code == 0 and {row["case"]: row["state"] for row in rows} == {
        "test_a.py::test_flaky": "flaky",
        "test_a.py::test_broken": "broken",
    }
    assert "broken" in tes("flaky")[1]
    assert tes("slowest")[1].startswith("no run of shop is recorded"), "those had no stage"


def test_a_flaky_case_is_set_aside_heeded_by_tes_test_and_taken_back(tes: Tes, tmp_path: Path) -> None:
    told = ("--owner", "ann", "--reason", "races", "--issue", "SHOP-7", "--until", LATER)
    code, rows, error = tes("quarantine", "add", "test_flaky", *told, "--json")
    assert code == 0, error
    assert rows[0] | {"reason": ""} == {
        "case": "test_a.py::test_flaky", "suite": "unit", "owner": "ann", "reason": "", "issue": "SHOP-7",
        "until": (datetime.fromisoformat(LATER) + timedelta(days=1)).strftime("%Y-%m-%d"), "automatic": False,
    }  # fmt: skip
    code, result, _ = tes("test", "--json")
    assert (code, result["outcome"], result["counts"]["failed"]) == (0, "PASS", 1)
    assert "set aside until" in " ".join(result["reasons"])
    code, shown, _ = tes("test", "--junit", "report.xml", "--html", "report.html")
    assert code == 0 and "FAILED test_a.py::test_flaky (in quarantine)" in shown and "by ann, SHOP-7" in shown
    assert '<property name="quarantined" value="true"' in (tmp_path / "report.xml").read_text()
    (case,) = [one for one in tes("test", "--json", "--cases")[1]["cases"] if one["name"] == "test_flaky"]
    assert case["quarantined"] and case["status"] == "failed"
    assert len(tes("quarantine", "list", "--json")[1]) == 1
    code, rows, _ = tes("slowest", "--limit", "2", "--json")
    assert code == 0 and len(rows) == 2 and rows[0]["mean_s"] >= rows[1]["mean_s"]
    assert tes("quarantine", "release", "test_flaky", "--why", "mended")[0] == 0
    assert tes("quarantine", "list", "--json")[1] == [] and tes("test", "--json")[0] == 1


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/none", "nonsense://"])
def test_without_records_the_tests_are_judged_without_quarantine_and_that_is_said(
    tes: Tes, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("TES_DATABASE_URL", url)
    code, result, error = tes("test", "--json")
    assert (code, result["outcome"], result["counts"]["failed"]) == (1, "FAIL", 1), error
    assert "the quarantine could not be asked" in " ".join(result["reasons"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add",), "needs case, --owner, --reason, --issue, --until"),
        (("add", "test_flaky", "--owner", "a", "--reason", "b", "--issue", "c", "--until", "soon"), "no day"),
        (("add", "test_flaky", "--owner", "a", "--reason", "b", "--issue", "c", "--until", "2099-01-01"), "between"),
        (("add", "test_broken", "--owner", "a", "--reason", "b", "--issue", "c", "--until", LATER), "every time"),
        (("add", "test_none", "--owner", "a", "--reason", "b", "--issue", "c", "--until", LATER), "no recorded case"),
        (("release", "test_flaky"), "no case of shop in quarantine"),
    ],
)
def test_what_cannot_be_is_refused_with_the_fix(tes: Tes, words: tuple[str, ...], said: str) -> None:
    code, _, error = tes("quarantine", *words)
    assert code == 3 and said in error and "fix:" in error and "Traceback" not in error


@pytest.mark.parametrize("command", ["flaky", "slowest", "runs"])
@pytest.mark.parametrize("limit", ["0", "-1", "501", "many"])
def test_a_limit_that_cannot_be_is_refused(command: str, limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--limit", limit])
    assert ended.value.code == 3
    said = capsys.readouterr().err
    assert f"from 1 to 500 is wanted, not '{limit}'" in said and "fix:" in said
