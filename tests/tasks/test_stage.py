"""What leaves a stage: its verdict with its weight, and nothing secret in its reasons."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.policy import Mode
from domain.report import Stage, silent
from domain.spec import Spec
from tasks import recording
from tasks.run import Run
from tasks.stage import finish


async def test_a_password_in_a_tools_last_words_goes_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Stage] = []

    async def keep(run: Run, stage: Stage, key: str, began: float) -> None:
        kept.append(stage)

    monkeypatch.setattr(recording, "stage", keep)
    here = Path("nowhere")
    run = Run(
        id="1", kind="build", project="shop", root=here, spec=Spec(), actor="ada", holder="ada", store=here, folder=here
    )
    why = "no answer from https://ada:hunter2hunter2@index.example.org/simple"
    stage = await finish(run, Stage(name="build", verdict=silent("build", why)), "key", 0.0)
    assert kept == [stage] and stage.mode is Mode.BLOCKING
    assert stage.verdict.reasons == ("no answer from https://ada:***@index.example.org/simple",)
