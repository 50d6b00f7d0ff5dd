"""What leaves a stage: its verdict with its weight, and nothing secret in its reasons."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.policy import Mode
from domain.report import Stage, silent
from domain.spec import Spec
from tasks import recording
from tasks.run import Run
from tasks.stage import LONGEST_REASON, finish


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("no answer from https://ada:hunter2hunter2@index/simple", "no answer from https://ada:***@index/simple"),
        ("x" * 3_000_000, f"{'x' * (LONGEST_REASON - 1)}…"),
    ],
)
async def test_a_tools_last_words_are_cut_and_rid_of_passwords(
    monkeypatch: pytest.MonkeyPatch, said: str, shown: str
) -> None:
    kept: list[Stage] = []

    async def keep(run: Run, stage: Stage, key: str, began: float) -> None:
        kept.append(stage)

    monkeypatch.setattr(recording, "stage", keep)
    here = Path("nowhere")
    run = Run(
        id="1", kind="build", project="shop", root=here, spec=Spec(), actor="ada", holder="ada", store=here, folder=here
    )
    stage = await finish(run, Stage(name="build", verdict=silent("build", said)), "key", 0.0)
    assert kept == [stage] and stage.mode is Mode.BLOCKING
    assert stage.verdict.reasons == (shown,)
