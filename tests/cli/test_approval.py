"""Whoever starts a release to an environment that asks is asked, or is refused before anything has begun."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import records
from cli.approval import answer
from cli.main import main
from domain.errors import SpecError
from domain.spec import EnvironmentSpec, Spec

ASKS = Spec(environments={"production": EnvironmentSpec(), "staging": EnvironmentSpec()})
YAML = "name: shop\nrelease: {command: [serve]}\nenvironments: {production: {}, calm: {approval: false}}\n"


class Terminal(io.StringIO):
    """Somebody who is there."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def project(tmp_path: Path, tes_home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TES_ACTOR", "ada")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    (tmp_path / "tes.yaml").write_text(YAML)
    return str(tmp_path)


@pytest.mark.parametrize("verb", ["release", "deploy"])
def test_without_a_terminal_and_without_yes_it_is_refused_before_anything_begins(
    verb: str, project: str, tes_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, project, "-e", "production"]) == 3
    said = capsys.readouterr().err
    assert "production asks for an approval" in said and "fix: say --yes" in said
    assert not tes_home.exists()


def test_yes_of_somebody_who_is_no_deployer_is_refused(
    project: str, tes_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TES_DEPLOYERS", "bob, eve")
    assert main(["release", project, "-e", "production", "--yes"]) == 3
    assert "ada may not say yes for production: TES_DEPLOYERS lists bob, eve" in capsys.readouterr().err
    assert not tes_home.exists()


def test_yes_is_an_answer_with_a_name(project: str) -> None:
    said = answer("release shop", ASKS, "production", yes=True)
    assert said is not None and (said.approve, said.by, said.way) == (True, "ada", "--yes")


@pytest.mark.parametrize(("typed", "approves"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False)])
def test_a_person_at_a_terminal_is_asked_and_only_yes_is_a_yes(
    typed: str, approves: bool, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Terminal()
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    monkeypatch.setattr("sys.stderr", heard)
    said = answer("release shop", ASKS, "production", yes=False)
    assert said is not None and said.approve is approves
    assert heard.getvalue() == "tes: release shop to production? [y/N] "


def test_a_no_ends_it_as_a_fail_and_stands_in_the_audit_log(project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    monkeypatch.setattr("sys.stderr", Terminal())
    assert main(["release", project, "-e", "production"]) == 1
    (entry,) = records.audit_entries().items
    assert (entry.actor, entry.action, entry.subject) == ("ada", "approval.FAIL", "shop in production")


def test_an_environment_that_does_not_ask_asks_nobody(project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TES_DEPLOYERS", "bob")
    assert answer("release shop", ASKS, "staging", yes=False) is None
    assert answer("release shop", ASKS, "nowhere", yes=False) is None
    with pytest.raises(SpecError):
        answer("release shop", ASKS, "production", yes=True)
