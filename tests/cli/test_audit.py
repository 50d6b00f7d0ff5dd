"""`tes audit` shows who did what, where, when and why, and only what was asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import records
from cli.main import main


@pytest.fixture(autouse=True)
def three(tes_home: Path) -> Iterator[None]:
    def deed(ago: timedelta, action: str, subject: str, **detail: object) -> records.Deed:
        return records.Deed(datetime.now(UTC) - ago, "ada", action, subject, detail)

    records.audit_all(
        [
            deed(timedelta(days=3), "rollout.promoted", "shop in production", version="v1", token=4, why="old"),
            deed(timedelta(hours=1), "rollout.shift", "shop in production", version="v2", token=5, weight=20),
            deed(timedelta(0), "rollout.promoted", "till in staging", version="v9", token=1),
        ]
    )
    yield
    records.close()


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    capsys.readouterr()
    assert main(["audit", "--json", *words]) == 0
    return [f"{one['action']} {one['detail']['version']}" for one in json.loads(capsys.readouterr().out)]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((), ["rollout.promoted v9", "rollout.shift v2", "rollout.promoted v1"]),
        (("--service", "shop"), ["rollout.shift v2", "rollout.promoted v1"]),
        (("-e", "staging"), ["rollout.promoted v9"]),
        (("--service", "shop", "-e", "production", "--since", "2d"), ["rollout.shift v2"]),
        (("--service", "sho"), []),
        (("--limit", "1"), ["rollout.promoted v9"]),
    ],
)
def test_only_what_was_asked_for_the_newest_first(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], found: list[str]
) -> None:
    assert shown(capsys, *words) == found


def test_a_person_reads_who_what_where_which_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--service", "shop"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[2:] == ["ada", "rollout.shift", "shop", "in", "production", "v2", "5", "20", "%"]


def test_what_is_no_duration_is_refused_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--since", "yesterday"]) == 3
    assert "--since 'yesterday'" in (told := capsys.readouterr().err) and "2d" in told
