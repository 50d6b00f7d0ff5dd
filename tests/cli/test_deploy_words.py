"""`tes deploy` with the words of scripts/deploy.sh: what contradicts tes.yaml is refused before anything moves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.main import main

SPEC = """
name: shop
release: {command: [python, -m, shop], port: 8000}
environments:
  production: {platform: local, strategy: canary, steps: [{weight: 10, bake: 1s}]}
"""


@pytest.fixture
def project(tmp_path: Path) -> str:
    (tmp_path / "tes.yaml").write_text(SPEC)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("--environment production --platform heroku", "--platform heroku: there is no such platform yet"),
        ("--environment production --platform aws", "--platform aws (ecs): "),
        ("--environment production --platform azure", "--platform azure (azure_container_instances): "),
        ("--environment production --platform memory", "environments.production.platform is local"),
        ("--environment producton --platform local", "environment producton is not in tes.yaml; there: production"),
        ("--environment production --strategy blue_green", "environments.production.strategy is canary"),
        ("--environment production --colour", "unrecognized arguments: --colour"),
    ],
)
def test_a_word_that_cannot_be_met_is_refused_with_exit_3_and_a_fix(
    project: str, words: str, named: str, tes_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["deploy", project, *words.split()])
    except SystemExit as exit:
        code = int(str(exit.code))
    said = capsys.readouterr()
    assert code == 3 and not said.out
    assert named in said.err and "fix: " in said.err
    assert not tes_home.exists()


def test_a_plan_shows_the_steps_and_does_nothing(
    project: str, tes_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--environment production --platform local --strategy canary --plan --yes"
    assert main(["deploy", project, *words.split()]) == 0
    said = capsys.readouterr().out
    order = ["canary on local", "1. provision", "promote", "now      nothing is released", "traffic  100 %"]
    assert [said.index(step) for step in order] == sorted(said.index(step) for step in order)
    assert not tes_home.exists()


def test_a_plan_is_one_object_with_json(project: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deploy", project, "-e", "production", "--plan", "--json", "--version", "v9"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["now"] is None and told["then"] == "v9, numbered when it is built" and told["unknown"] == ""
    assert told["steps"][:2] == ["provision", "wait_ready"] and told["traffic"] == ["100 %, watched for 10 s"]
