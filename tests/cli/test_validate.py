"""`tes validate` tells everything at once, to a person or to a machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.validate import report
from domain.errors import SpecError


def test_a_valid_file_is_0_and_names_its_environments(tmp_path: Path) -> None:
    (tmp_path / "tes.yaml").write_text("environments: {staging: {strategy: all_at_once}}")
    code, text = report(tmp_path)
    assert code == 0 and "valid" in text and "staging (all_at_once on local)" in text


def test_without_a_file_it_tells_what_is_detected(tmp_path: Path) -> None:
    code, text = report(tmp_path)
    assert code == 0 and "there is no tes.yaml" in text
    assert json.loads(report(tmp_path, as_json=True)[1]) == {"file": None, "valid": True, "problems": []}


def test_errors_are_3_and_all_are_told(tmp_path: Path) -> None:
    path = tmp_path / "tes.yaml"
    path.write_text("buidl: {}\nname: My_App\n")
    code, text = report(path)
    assert code == 3 and "2 errors" in text
    assert f"{path}:1:1" in text and f"{path}:2:1" in text


def test_a_machine_gets_the_same_as_json(tmp_path: Path) -> None:
    path = tmp_path / "tes.yaml"
    path.write_text("buidl: 1\n")
    code, text = report(path, as_json=True)
    assert (code, json.loads(text)) == (
        3,
        {
            "file": str(path),
            "valid": False,
            "problems": [
                {
                    "line": 1,
                    "column": 1,
                    "key": "buidl",
                    "value": "1",
                    "message": "unknown key",
                    "fix": "did you mean `build`?",
                    "severity": "error",
                }
            ],
        },
    )


def test_a_warning_is_told_and_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "tes.yaml"
    path.write_text("scan: {waivers: [{rule: B1, owner: a, reason: b, expires: 2020-01-01}]}")
    code, text = report(path)
    assert code == 0 and "warning" in text
    assert json.loads(report(path, as_json=True)[1])["valid"] is True


def test_a_file_that_cannot_be_read_is_an_error_in_either_form(tmp_path: Path) -> None:
    missing = tmp_path / "no.yaml"
    with pytest.raises(SpecError, match="is not there"):
        report(missing)
    code, text = report(missing, as_json=True)
    assert code == 3 and "is not there" in json.loads(text)["problems"][0]["message"]
