"""What selection would have missed: our own `tes test --all` as a tool, whose answer is checked."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from domain.report import Stage, silent
from domain.verdict import Outcome, Verdict
from tasks.execute import execute
from tasks.kinds import act
from tasks.run import Run
from tasks.stage import perform
from tasks.state_folder import home
from toolchain.command import Command, Ran

GATE = "tests.selection"
LONGEST_S = 6 * 3600.0
SHOWN = 200
_OURS = Path(__file__).resolve().parents[1]


class _Told(BaseModel):
    """The part of `--json` that is needed here."""

    outcome: Outcome
    reasons: tuple[str, ...]
    misses: int | None = Field(ge=0)
    missed: tuple[str, ...]
    compared: int = Field(ge=0)


def command(project: Path) -> Command:
    """Everything with recording, under a memory of its own: a tool's environment is not a person's terminal, and in
    one memory the two would throw each other's away. Hence a night is compared with the night before."""
    return Command(
        argv=(sys.executable, "-m", "cli.main", "test", str(project), "--all", "--json"),
        cwd=_OURS,
        environment={"TES_HOME": os.path.join(home(), "selection"), "TES_RECORD": "0"},
        timeout=LONGEST_S,
    )


def parse(ran: Ran) -> Verdict:
    """The tests' verdict, with `misses` and `compared`; INCONCLUSIVE when there is no answer, or it contradicts the
    exit code or itself."""
    try:
        told = _Told.model_validate_json(ran.stdout.read_bytes())
    except ValidationError:
        return silent(GATE, f"tes test gave no answer (exit code {ran.exit_code}): {ran.tail()}")
    if ran.exit_code != told.outcome.exit_code or len(told.missed) != (told.misses or 0):
        return silent(GATE, f"tes test contradicts itself: exit code {ran.exit_code} and {told.outcome}")
    if told.misses is None:
        nothing = "no suite's selection could be compared"
        return Verdict(gate=GATE, outcome=told.outcome, reasons=(*told.reasons, nothing))
    reasons = (f"selection would have missed {told.misses} of {told.compared} results", *told.missed[:SHOWN])
    metrics = {"misses": float(told.misses), "compared": float(told.compared)}
    return Verdict(gate=GATE, outcome=told.outcome, reasons=(*told.reasons, *reasons), metrics=metrics)


@act("selection")
async def compared(run: Run) -> Stage:
    """Runs all of it once; the numbers go to the records with the stage. INCONCLUSIVE when it cannot be started."""

    async def work(out: Path) -> tuple[Verdict, dict[str, Any]]:
        ran = await execute(command(run.root), out)
        return await asyncio.to_thread(parse, ran), {}

    return await perform(run, GATE, {}, work, reusable=False)
